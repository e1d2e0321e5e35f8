//! Reads a method call.
//!
//! Invariants: the depth of recursion is [`XMLRPC_DEPTH_MAX`] at most; nothing is expanded, so memory is bounded by the body.

use quick_xml::events::{BytesRef, Event};
use quick_xml::reader::Reader;
use serde_json::{Map, Number, Value as Json};

use super::Call;
use crate::limits::{XMLRPC_DEPTH_MAX, XMLRPC_VALUES_MAX};

/// Why a body is no method call.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// Other encodings are not read.
    #[error("the request is not UTF-8: encode it so")]
    Encoding,
    /// Not XML.
    #[error("the request is not well-formed XML: {0}")]
    Xml(String),
    /// Something else than what the grammar asks for.
    #[error("the request is not an XML-RPC method call: {found} where {wanted} belongs")]
    Grammar {
        /// What is there.
        found: String,
        /// What should be.
        wanted: &'static str,
    },
    /// A scalar cannot be read.
    #[error("{text:?} is no {what}")]
    Scalar {
        /// The type.
        what: &'static str,
        /// The text, shortened.
        text: String,
    },
    /// A document type or an entity of one.
    #[error("document types and their entities are not read: write the values themselves")]
    Entity,
    /// Too deep.
    #[error("the request nests values more than {XMLRPC_DEPTH_MAX} deep: flatten it")]
    Depth,
    /// Too many.
    #[error("the request has more than {XMLRPC_VALUES_MAX} values: send less at once")]
    Values,
}

type Result<T> = std::result::Result<T, ReadError>;

/// Reads a call.
pub(super) fn call(body: &[u8]) -> Result<Call> {
    let text = std::str::from_utf8(body).map_err(|_not_utf8| ReadError::Encoding)?;
    let mut input = Input::new(text.trim_start_matches('\u{feff}'));
    input.open("methodCall")?;
    input.open("methodName")?;
    let method = input.text()?.trim().to_owned();
    let mut params = Vec::new();
    if input.opens("params")? {
        while input.opens("param")? {
            input.open("value")?;
            params.push(input.value(0)?);
            input.close()?;
        }
        input.close()?;
    }
    input.close()?;
    match input.next()? {
        Token::End => Ok(Call::new(method, params)),
        other => Err(other.instead_of("the end")),
    }
}

/// A piece of the document.
#[derive(Debug, Clone)]
enum Token {
    Open(String),
    Close,
    Text(String),
    End,
}

impl Token {
    fn instead_of(self, wanted: &'static str) -> ReadError {
        let found = match self {
            Token::Open(name) => format!("<{}>", short(&name)),
            Token::Close => "an end tag".to_owned(),
            Token::Text(text) => format!("{:?}", short(text.trim())),
            Token::End => "the end".to_owned(),
        };
        ReadError::Grammar { found, wanted }
    }

    fn is_blank(&self) -> bool {
        matches!(self, Token::Text(text) if text.trim().is_empty())
    }
}

fn short(text: &str) -> String {
    const SHOWN: usize = 40;
    text.chars().take(SHOWN).collect()
}

/// The document with one piece of look-ahead.
struct Input<'a> {
    reader: Reader<&'a [u8]>,
    ahead: Option<Token>,
    values: usize,
}

impl<'a> Input<'a> {
    fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, ahead: None, values: 0 }
    }

    /// The next piece; neighbouring text is one piece.
    fn raw(&mut self) -> Result<Token> {
        if let Some(token) = self.ahead.take() {
            return Ok(token);
        }
        let mut text: Option<String> = None;
        loop {
            let event =
                self.reader.read_event().map_err(|error| ReadError::Xml(error.to_string()))?;
            let token = match event {
                Event::Text(part) => {
                    text.get_or_insert_default().push_str(&part.xml10_content());
                    continue;
                }
                Event::CData(part) => {
                    text.get_or_insert_default().push_str(&part.xml10_content());
                    continue;
                }
                Event::GeneralRef(name) => {
                    text.get_or_insert_default().push(character(&name)?);
                    continue;
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
                Event::DocType(_) => return Err(ReadError::Entity),
                Event::Start(tag) | Event::Empty(tag) => {
                    Token::Open(tag.name().into_inner().to_owned())
                }
                Event::End(_) => Token::Close,
                Event::Eof => Token::End,
            };
            return Ok(match text {
                Some(text) => {
                    self.ahead = Some(token);
                    Token::Text(text)
                }
                None => token,
            });
        }
    }

    /// The next piece that is not blank.
    fn next(&mut self) -> Result<Token> {
        let token = self.raw()?;
        if token.is_blank() { self.raw() } else { Ok(token) }
    }

    fn open(&mut self, name: &'static str) -> Result<()> {
        if self.opens(name)? { Ok(()) } else { Err(self.next()?.instead_of(name)) }
    }

    /// Whether this tag opens here; if so it is read.
    fn opens(&mut self, name: &str) -> Result<bool> {
        let token = self.next()?;
        let is_it = matches!(&token, Token::Open(found) if found == name);
        if !is_it {
            self.ahead = Some(token);
        }
        Ok(is_it)
    }

    /// Reads an end tag.
    fn close(&mut self) -> Result<()> {
        match self.next()? {
            Token::Close => Ok(()),
            other => Err(other.instead_of("an end tag")),
        }
    }

    /// Text up to the end tag, which is read too.
    fn text(&mut self) -> Result<String> {
        match self.raw()? {
            Token::Close => Ok(String::new()),
            Token::Text(text) => self.close().map(|()| text),
            other => Err(other.instead_of("text")),
        }
    }

    /// A value whose `<value>` was read, up to its end tag, which is read too.
    fn value(&mut self, depth: usize) -> Result<Json> {
        self.values += 1;
        if self.values > XMLRPC_VALUES_MAX {
            return Err(ReadError::Values);
        }
        if depth > XMLRPC_DEPTH_MAX {
            return Err(ReadError::Depth);
        }
        let first = self.raw()?;
        let token = if first.is_blank() {
            match self.raw()? {
                // Only blanks: they are the value.
                Token::Close => {
                    let Token::Text(text) = first else { return Ok(Json::String(String::new())) };
                    return Ok(Json::String(text));
                }
                token => token,
            }
        } else {
            first
        };
        let value = match token {
            Token::Close => return Ok(Json::String(String::new())),
            Token::Text(text) => Json::String(text),
            Token::Open(name) => self.typed(&name, depth)?,
            Token::End => return Err(Token::End.instead_of("a value")),
        };
        self.close()?;
        Ok(value)
    }

    /// The content of a typed value, up to the type's end tag, which is read too.
    fn typed(&mut self, name: &str, depth: usize) -> Result<Json> {
        match name {
            "string" => self.text().map(Json::String),
            "int" | "i4" | "i8" | "i2" | "i1" | "ex:i8" => integer(self.text()?.trim()),
            "double" => double(self.text()?.trim()),
            "boolean" => boolean(self.text()?.trim()),
            "nil" | "ex:nil" => self.text().map(|_nothing| Json::Null),
            "dateTime.iso8601" => self.text().map(|text| Json::String(text.trim().to_owned())),
            "base64" => binary(&self.text()?),
            "array" => {
                self.open("data")?;
                let mut items = Vec::new();
                while self.opens("value")? {
                    items.push(self.value(depth + 1)?);
                }
                self.close()?;
                self.close()?;
                Ok(Json::Array(items))
            }
            "struct" => {
                let mut members = Map::new();
                while self.opens("member")? {
                    self.open("name")?;
                    let name = self.text()?;
                    self.open("value")?;
                    members.insert(name, self.value(depth + 1)?);
                    self.close()?;
                }
                self.close()?;
                Ok(Json::Object(members))
            }
            other => Err(Token::Open(other.to_owned()).instead_of("a type")),
        }
    }
}

/// The character that a reference stands for.
fn character(name: &BytesRef<'_>) -> Result<char> {
    let bad = |error: quick_xml::Error| ReadError::Xml(error.to_string());
    if let Some(c) = name.resolve_char_ref().map_err(bad)? {
        return Ok(c);
    }
    match name.as_ref() {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(ReadError::Entity),
    }
}

fn scalar(what: &'static str, text: &str) -> ReadError {
    ReadError::Scalar { what, text: short(text) }
}

fn integer(text: &str) -> Result<Json> {
    text.parse::<i64>().map(Json::from).map_err(|_bad| scalar("integer of 64 bit", text))
}

fn double(text: &str) -> Result<Json> {
    let number = text.parse().ok().and_then(Number::from_f64);
    number.map(Json::Number).ok_or_else(|| scalar("finite number", text))
}

fn boolean(text: &str) -> Result<Json> {
    match text {
        "1" | "true" => Ok(Json::Bool(true)),
        "0" | "false" => Ok(Json::Bool(false)),
        _ => Err(scalar("boolean", text)),
    }
}

fn binary(text: &str) -> Result<Json> {
    use base64::Engine as _;
    let packed: String = text.split_whitespace().collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(packed)
        .map_err(|_bad| scalar("base64", text))?;
    String::from_utf8(bytes).map(Json::String).map_err(|_binary| scalar("base64 of UTF-8", text))
}
