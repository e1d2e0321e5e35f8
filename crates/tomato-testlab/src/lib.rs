//! tomato-testlab
