//! From letters to words.

use std::net::Ipv6Addr;

use super::FilterError;

/// A word of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword or a name, in lower case; keywords that were escaped are names.
    Word {
        text: String,
        is_escaped: bool,
    },
    Number(u32),
    /// Two to four numbers with dots between.
    Ipv4(Vec<u8>),
    Ipv6(Ipv6Addr),
    Mac([u8; 6]),
    Sign(&'static str),
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word { text, .. } => write!(f, "{text:?}"),
            Self::Number(number) => write!(f, "the number {number}"),
            Self::Ipv4(octets) => {
                let octets: Vec<String> = octets.iter().map(u8::to_string).collect();
                f.write_str(&octets.join("."))
            }
            Self::Ipv6(address) => write!(f, "{address}"),
            Self::Mac(_) => f.write_str("an Ethernet address"),
            Self::Sign(sign) => write!(f, "{sign:?}"),
        }
    }
}

/// The longer ones first.
const SIGNS: [&str; 22] = [
    "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "(", ")", "[", "]", ":", "/", "*", "%", "+",
    "-", "&", "|", "^", "<",
];
const MORE_SIGNS: [&str; 3] = [">", "=", "!"];

pub(super) fn tokens(expression: &str) -> Result<Vec<Token>, FilterError> {
    let mut rest = expression;
    let mut tokens = Vec::new();
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        if let Some((token, len)) = address(rest) {
            tokens.push(token);
            rest = &rest[len..];
        } else if first.is_ascii_alphanumeric() {
            let len = word(rest);
            tokens.push(classify(&rest[..len])?);
            rest = &rest[len..];
        } else if first == '\\' {
            let end = |c: char| c.is_whitespace() || matches!(c, '!' | '(' | ')');
            let len = rest.find(end).unwrap_or(rest.len());
            let text = rest[1..len].to_lowercase();
            tokens.push(Token::Word { text, is_escaped: true });
            rest = &rest[len..];
        } else {
            let sign = SIGNS.iter().chain(&MORE_SIGNS).find(|sign| rest.starts_with(**sign));
            let at = expression.len() - rest.len();
            let sign = sign.ok_or(FilterError::Letter { letter: first, at })?;
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        }
    }
}

/// An address with colons or dashes, which would otherwise fall into pieces, and its length.
fn address(text: &str) -> Option<(Token, usize)> {
    let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '-');
    let len = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let run = &text[..len];
    if text[len..].starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    for separator in [':', '-', '.'] {
        let parts: Vec<&str> = run.split(separator).collect();
        let is_long =
            separator != '.' || parts.iter().any(|p| p.contains(|c: char| !c.is_ascii_digit()));
        if parts.len() == 6 && is_long {
            let octet = |part: &&str| {
                let fits = matches!(part.len(), 1 | 2);
                fits.then(|| u8::from_str_radix(part, 16).ok()).flatten()
            };
            let octets: Option<Vec<u8>> = parts.iter().map(octet).collect();
            if let Some(octets) = octets {
                return Some((Token::Mac(octets.try_into().ok()?), len));
            }
        }
    }
    let address = run.contains(':').then(|| run.parse().ok()).flatten()?;
    Some((Token::Ipv6(address), len))
}

/// The length of a word: letters, digits and, not at its end, dashes and underscores.
fn word(text: &str) -> usize {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let len = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text[..len].trim_end_matches(['-', '_']).len()
}

fn classify(text: &str) -> Result<Token, FilterError> {
    let wrong = |problem| FilterError::Value { value: text.to_owned(), problem };
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let number = match hex {
        Some(hex) => u32::from_str_radix(hex, 16),
        None if is_number && text.len() > 1 && text.starts_with('0') => {
            u32::from_str_radix(text, 8)
        }
        None if is_number => text.parse(),
        None => {
            let octets = text.split('.');
            let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            if !octets.clone().all(digits) {
                let text = text.to_lowercase();
                return Ok(Token::Word { text, is_escaped: false });
            }
            let octets: Result<Vec<u8>, _> = octets.map(str::parse).collect();
            let octets = octets.map_err(|_large| wrong("is no address: parts are 0 to 255"))?;
            if octets.len() > 4 {
                return Err(wrong("is no address: it has four parts"));
            }
            return Ok(Token::Ipv4(octets));
        }
    };
    number.map(Token::Number).map_err(|_large| wrong("is no number of 32 bits"))
}
