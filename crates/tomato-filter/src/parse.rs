//! From words to conditions: the grammar.

mod layer;
mod value;

use super::eval::{At, Is, Node, Number, Operator};
use super::lex::Token;
use super::{FilterError, NESTING_MAX, names};
use layer::Layers;

/// What stands before `[`, a direction or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// None is named.
    Any,
    Link,
    Ip,
    Ip6,
    Arp,
    Rarp,
    Icmp6,
    /// One that IPv4 and, unless its row says otherwise, IPv6 carry.
    Carried(u32),
}

const TCP: Protocol = Protocol::Carried(6);
const UDP: Protocol = Protocol::Carried(17);
const SCTP: Protocol = Protocol::Carried(132);

const PROTOCOLS: &[(&str, Protocol)] = &[
    ("ether", Protocol::Link),
    ("link", Protocol::Link),
    ("ip", Protocol::Ip),
    ("ip6", Protocol::Ip6),
    ("arp", Protocol::Arp),
    ("rarp", Protocol::Rarp),
    ("tcp", TCP),
    ("udp", UDP),
    ("sctp", SCTP),
    ("icmp", Protocol::Carried(1)),
    ("igmp", Protocol::Carried(2)),
    ("igrp", Protocol::Carried(9)),
    ("pim", Protocol::Carried(103)),
    ("vrrp", Protocol::Carried(112)),
    ("carp", Protocol::Carried(112)),
    ("ah", Protocol::Carried(51)),
    ("esp", Protocol::Carried(50)),
    ("icmp6", Protocol::Icmp6),
];

/// Words that `tcpdump` knows and we do not.
const UNSUPPORTED: &[&str] = &[
    "aarp",
    "action",
    "atalk",
    "decnet",
    "direction",
    "esis",
    "fddi",
    "gateway",
    "geneve",
    "inbound",
    "ifindex",
    "ifname",
    "ipx",
    "isis",
    "lane",
    "lat",
    "mopdl",
    "moprc",
    "netbeui",
    "on",
    "outbound",
    "ppp",
    "protochain",
    "radio",
    "reason",
    "rnr",
    "rset",
    "ruleset",
    "slip",
    "subtype",
    "tr",
    "type",
    "vxlan",
    "wlan",
    "l1",
    "l2",
    "clnp",
    "csnp",
    "psnp",
    "snp",
    "iih",
    "lsp",
];

/// Words that stand for no name unless escaped.
const KEYWORDS: &[&str] = &[
    "and",
    "broadcast",
    "dst",
    "greater",
    "host",
    "len",
    "length",
    "less",
    "llc",
    "mask",
    "mpls",
    "multicast",
    "net",
    "not",
    "or",
    "port",
    "portrange",
    "pppoed",
    "pppoes",
    "proto",
    "src",
    "stp",
    "iso",
    "vlan",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Source,
    Destination,
    Either,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// None is named: a host.
    Default,
    Host,
    Net,
    Port,
    PortRange,
    Protocol,
}

/// What the value after it means; a value alone means what the last one did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    protocol: Protocol,
    direction: Direction,
    kind: Kind,
}

/// Reads the words of an expression.
struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    layers: Layers,
    last: Option<Head>,
}

/// A number and what must hold for it to mean anything.
type Checked = (Number, Option<Node>);
type Parsed<T> = Result<T, FilterError>;

/// The condition that an expression means.
pub(super) fn parse(tokens: &[Token]) -> Parsed<Node> {
    if tokens.is_empty() {
        return Ok(Node::Every);
    }
    let mut parser = Parser { tokens, at: 0, depth: 0, layers: Layers::default(), last: None };
    let node = parser.expression()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("and, or or the end")),
    }
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn second(&self) -> Option<&'a Token> {
        self.tokens.get(self.at + 1)
    }

    fn unexpected(&self, wanted: &'static str) -> FilterError {
        let found = self.peek().map_or_else(|| "the end".to_owned(), Token::to_string);
        FilterError::Syntax { found, wanted }
    }

    fn word(&self) -> Option<&'a str> {
        match self.peek()? {
            Token::Word { text, is_escaped: false } => Some(text),
            _ => None,
        }
    }

    /// Steps over a word or sign if it is next.
    fn take(&mut self, wanted: &str) -> bool {
        let is_next = match self.peek() {
            Some(Token::Word { text, is_escaped: false }) => text == wanted,
            Some(Token::Sign(sign)) => *sign == wanted,
            _ => false,
        };
        self.at += usize::from(is_next);
        is_next
    }

    fn need(&mut self, wanted: &'static str) -> Parsed<()> {
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected(wanted)) }
    }

    fn number(&mut self) -> Option<u32> {
        let Some(Token::Number(number)) = self.peek() else { return None };
        self.at += 1;
        Some(*number)
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= NESTING_MAX {
            return Err(FilterError::Nesting);
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// Terms or values joined by `and` and `or`, from left to right.
    fn expression(&mut self) -> Parsed<Node> {
        let mut left = self.term()?;
        loop {
            let join = if self.take("and") || self.take("&&") {
                Node::and
            } else if self.take("or") || self.take("||") {
                Node::or
            } else {
                return Ok(left);
            };
            left = join(left, self.term_or_value()?);
        }
    }

    fn term_or_value(&mut self) -> Parsed<Node> {
        let begin = self.at;
        while self.take("not") || self.take("!") || self.take("(") {}
        let is_value = self.is_value();
        self.at = begin;
        match self.last {
            Some(head) if is_value => self.values(head),
            _ => self.term(),
        }
    }

    /// A value that is no part of a computation.
    fn is_value(&self) -> bool {
        let is_bare = match self.peek() {
            Some(Token::Number(_) | Token::Ipv4(_) | Token::Ipv6(_) | Token::Mac(_)) => true,
            Some(Token::Word { text, is_escaped }) => *is_escaped || !is_keyword(text),
            _ => false,
        };
        let is_computed = match self.second() {
            Some(Token::Sign(sign)) => !matches!(*sign, ")" | "/" | "&&" | "||"),
            _ => false,
        };
        is_bare && !is_computed
    }

    fn term(&mut self) -> Parsed<Node> {
        if self.take("not") || self.take("!") {
            return self.deeper(Self::term).map(Node::not);
        }
        if self.begins_number() {
            // A parenthesis may begin either; what is computed ends with a comparison.
            let (begin, layers, last) = (self.at, self.layers, self.last);
            let is_open = self.peek() == Some(&Token::Sign("("));
            match self.relation() {
                Err(error) if is_open && error != FilterError::Nesting => {
                    (self.at, self.layers, self.last) = (begin, layers, last);
                }
                other => return other,
            }
        }
        if self.take("(") {
            let node = self.deeper(Self::expression)?;
            self.need(")")?;
            return Ok(node);
        }
        self.primitive()
    }

    fn begins_number(&self) -> bool {
        match self.peek() {
            Some(Token::Number(_) | Token::Sign("-" | "(")) => true,
            Some(Token::Word { text, is_escaped: false }) => {
                text == "len"
                    || text == "length"
                    || names::find(names::CONSTANTS, text).is_some()
                    || self.second() == Some(&Token::Sign("["))
            }
            _ => false,
        }
    }

    fn primitive(&mut self) -> Parsed<Node> {
        let Some(word) = self.word() else { return Err(self.unexpected("a condition")) };
        if let Some(node) = self.tag(word)? {
            self.last = None;
            return Ok(node);
        }
        let protocol = PROTOCOLS.iter().find(|(name, _)| *name == word).map(|(_, p)| *p);
        self.at += usize::from(protocol.is_some());
        for casting in ["broadcast", "multicast"] {
            if self.take(casting) {
                self.last = None;
                return self.layers.cast(casting, protocol.unwrap_or(Protocol::Any));
            }
        }
        let asked = protocol.unwrap_or(Protocol::Any);
        if let Some(head) = self.head(asked)? {
            self.last = Some(head);
            return self.values(head);
        }
        let Some(protocol) = protocol else { return Err(self.unknown(word)) };
        self.last = None;
        if protocol == Protocol::Link {
            return Err(self.unexpected("host, src, dst, proto, broadcast or multicast"));
        }
        self.layers.carries(protocol)
    }

    fn unknown(&self, word: &str) -> FilterError {
        if UNSUPPORTED.contains(&word) {
            let remedy = "compare bytes instead, as in ether[12:2] = 0x88cc";
            return FilterError::Unsupported { what: word.to_owned(), remedy };
        }
        self.unexpected("a condition")
    }

    /// Conditions that take no address.
    fn tag(&mut self, word: &str) -> Parsed<Option<Node>> {
        let is_known = matches!(
            word,
            "less" | "greater" | "vlan" | "mpls" | "pppoed" | "pppoes" | "llc" | "stp" | "iso"
        );
        if !is_known {
            return Ok(None);
        }
        self.at += 1;
        let number = match word {
            "less" | "greater" => {
                Some(self.number().ok_or_else(|| self.unexpected("a length in bytes"))?)
            }
            "vlan" | "mpls" | "pppoes" => self.number(),
            _ => None,
        };
        let length = |is| Node::Relation {
            left: Number::Length,
            is,
            right: Number::Constant(number.unwrap_or(0)),
        };
        match word {
            "less" => Ok(length(Is::AtMost)),
            "greater" => Ok(length(Is::AtLeast)),
            "vlan" => self.layers.vlan(number),
            "mpls" => self.layers.mpls(number),
            "pppoes" => self.layers.pppoe_session(number),
            "pppoed" => self.layers.is_type(0x8863),
            "llc" => self.layers.llc(),
            "stp" => self.layers.is_type(0x42),
            _ => self.layers.is_type(0xfe),
        }
        .map(Some)
    }

    /// Direction and kind of an address, if there are any.
    fn head(&mut self, protocol: Protocol) -> Parsed<Option<Head>> {
        if self.take("proto") {
            let kind = Kind::Protocol;
            return Ok(Some(Head { protocol, direction: Direction::Either, kind }));
        }
        let direction = self.direction()?;
        let kinds = [
            ("host", Kind::Host),
            ("net", Kind::Net),
            ("portrange", Kind::PortRange),
            ("port", Kind::Port),
        ];
        let kind = kinds.iter().find(|(word, _)| self.take(word)).map(|(_, kind)| *kind);
        if let Some(word @ ("gateway" | "protochain")) = self.word() {
            return Err(self.unknown(word));
        }
        if direction.is_none() && kind.is_none() {
            return Ok(None);
        }
        Ok(Some(Head {
            protocol,
            direction: direction.unwrap_or(Direction::Either),
            kind: kind.unwrap_or(Kind::Default),
        }))
    }

    fn direction(&mut self) -> Parsed<Option<Direction>> {
        let (first, other) = if self.take("src") {
            (Direction::Source, "dst")
        } else if self.take("dst") {
            (Direction::Destination, "src")
        } else {
            return Ok(None);
        };
        let joined = match (self.peek(), self.second()) {
            (Some(join), Some(Token::Word { text, is_escaped: false })) if text == other => {
                match join {
                    Token::Word { text, is_escaped: false } if text == "or" => Direction::Either,
                    Token::Sign("||") => Direction::Either,
                    Token::Word { text, is_escaped: false } if text == "and" => Direction::Both,
                    Token::Sign("&&") => Direction::Both,
                    _ => return Ok(Some(first)),
                }
            }
            _ => return Ok(Some(first)),
        };
        // `src port 1 and dst port 2` joins conditions, `src and dst port 1` directions.
        self.at += 2;
        Ok(Some(joined))
    }

    /// One value, or several in parentheses, that mean what `head` says.
    fn values(&mut self, head: Head) -> Parsed<Node> {
        if self.take("not") || self.take("!") {
            return self.deeper(|parser| parser.values(head)).map(Node::not);
        }
        if !self.take("(") {
            return self.value(head);
        }
        self.deeper(|parser| {
            let mut left = parser.values(head)?;
            loop {
                let join = if parser.take("and") || parser.take("&&") {
                    Node::and
                } else if parser.take("or") || parser.take("||") {
                    Node::or
                } else {
                    parser.need(")")?;
                    return Ok(left);
                };
                left = join(left, parser.values(head)?);
            }
        })
    }

    /// A comparison of two numbers. What each needs to mean anything is asked first; if it is missing, the comparison does not hold.
    fn relation(&mut self) -> Parsed<Node> {
        let (left, left_check) = self.computed(0)?;
        let signs = [
            (">=", Is::AtLeast),
            ("<=", Is::AtMost),
            ("==", Is::Equal),
            ("!=", Is::NotEqual),
            (">", Is::Above),
            ("<", Is::Below),
            ("=", Is::Equal),
        ];
        let is = signs.iter().find(|(sign, _)| self.take(sign)).map(|(_, is)| *is);
        let is = is.ok_or_else(|| self.unexpected("a comparison"))?;
        let (right, right_check) = self.computed(0)?;
        self.last = None;
        let relation = Node::Relation { left, is, right };
        Ok(match both(left_check, right_check) {
            Some(check) => check.and(relation),
            None => relation,
        })
    }

    /// A number with operators that bind at least as strong as `level`.
    fn computed(&mut self, level: u8) -> Parsed<Checked> {
        let (mut left, mut check) = self.deeper(Self::operand)?;
        while let Some((operator, binds)) = self.operator().filter(|(_, binds)| *binds >= level) {
            self.at += 1;
            let (right, right_check) = self.deeper(|parser| parser.computed(binds + 1))?;
            if let Number::Constant(by) = right {
                let problem = match operator {
                    Operator::Divide | Operator::Modulo if by == 0 => Some("divides by zero"),
                    Operator::ShiftLeft | Operator::ShiftRight if by > 31 => {
                        Some("shifts by more than 31 bits")
                    }
                    _ => None,
                };
                if let Some(problem) = problem {
                    return Err(FilterError::Value { value: by.to_string(), problem });
                }
            }
            check = both(check, right_check);
            left = Number::Computed { left: Box::new(left), by: operator, right: Box::new(right) };
        }
        Ok((left, check))
    }

    fn operator(&self) -> Option<(Operator, u8)> {
        let Some(Token::Sign(sign)) = self.peek() else { return None };
        Some(match *sign {
            "|" => (Operator::Or, 1),
            "^" => (Operator::Xor, 1),
            "&" => (Operator::And, 2),
            "<<" => (Operator::ShiftLeft, 3),
            ">>" => (Operator::ShiftRight, 3),
            "+" => (Operator::Add, 4),
            "-" => (Operator::Subtract, 4),
            "*" => (Operator::Multiply, 5),
            "/" => (Operator::Divide, 5),
            "%" => (Operator::Modulo, 5),
            _ => return None,
        })
    }

    fn operand(&mut self) -> Parsed<Checked> {
        if let Some(number) = self.number() {
            return Ok((Number::Constant(number), None));
        }
        if self.take("-") {
            let (of, check) = self.deeper(Self::operand)?;
            let (left, right) = (Box::new(Number::Constant(0)), Box::new(of));
            return Ok((Number::Computed { left, by: Operator::Subtract, right }, check));
        }
        if self.take("(") {
            let inner = self.computed(0)?;
            self.need(")")?;
            return Ok(inner);
        }
        if self.take("len") || self.take("length") {
            return Ok((Number::Length, None));
        }
        let Some(word) = self.word() else { return Err(self.unexpected("a number")) };
        if let Some(constant) = names::find(names::CONSTANTS, word) {
            self.at += 1;
            return Ok((Number::Constant(constant), None));
        }
        let protocol = PROTOCOLS.iter().find(|(name, _)| *name == word).map(|(_, p)| *p);
        let Some(protocol) = protocol else { return Err(self.unknown(word)) };
        self.at += 1;
        self.load(protocol)
    }

    /// Bytes of a header, after its name.
    fn load(&mut self, protocol: Protocol) -> Parsed<Checked> {
        self.need("[")?;
        let (index, index_check) = self.computed(0)?;
        let size = if self.take(":") {
            let size = self.number().ok_or_else(|| self.unexpected("a number of bytes"))?;
            if !matches!(size, 1 | 2 | 4) {
                let problem = "bytes cannot be read at once: write 1, 2 or 4";
                return Err(FilterError::Value { value: size.to_string(), problem });
            }
            size
        } else {
            1
        };
        self.need("]")?;
        let (at, check): (At, Option<Node>) = self.layers.bytes(protocol, index_check)?;
        Ok((Number::Load { at, index: Box::new(index), size }, check))
    }
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
        || UNSUPPORTED.contains(&word)
        || PROTOCOLS.iter().any(|(name, _)| *name == word)
        || names::find(names::CONSTANTS, word).is_some()
}

fn both(first: Option<Node>, second: Option<Node>) -> Option<Node> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.and(second)),
        (first, second) => first.or(second),
    }
}
