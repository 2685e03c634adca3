//! Reading a format into a template.

use super::HashFormatError;
use super::template::{Algorithm, Encoding, Field, HashOf, Modifier, Piece, Source, Variable};

/// The largest width and offset: what Dovecot's `int` holds.
const NUMBER_MAX: u32 = i32::MAX as u32;

/// The widest output that may be filled up with zeros.
const PADDED_MAX: u32 = 256;

/// The most rounds of a hash; each costs every login as much as the hash itself.
const ROUNDS_MAX: u32 = 1_000;

/// More than this many letters before a variable are not modifiers any more.
const MODIFIERS_MAX: usize = 10;

/// The pieces of a whole format.
pub(super) fn template(text: &str) -> Result<Vec<Piece>, HashFormatError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('%') {
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.as_bytes().into()));
        }
        let mut field = FieldText(after);
        // Like Dovecot, pass over a last % that no variable follows.
        if let Some(field) = field.parse()? {
            pieces.push(Piece::Field(field));
        }
        rest = field.0;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.as_bytes().into()));
    }
    Ok(pieces)
}

/// What follows a `%`: `[<offset>.]<width>[<modifiers>]<variable>`.
struct FieldText<'a>(&'a str);

impl<'a> FieldText<'a> {
    fn parse(&mut self) -> Result<Option<Field>, HashFormatError> {
        let is_negative = self.take('-');
        let mut is_zero_padded = self.take('0');
        let mut width = self.number()?;
        let mut offset = 0;
        if self.take('.') {
            offset = if is_negative { -width } else { width };
            is_zero_padded = self.take('0');
            let is_negative = self.take('-');
            width = self.number()?;
            width = if is_negative { -width } else { width };
        }
        let modifiers = self.modifiers();
        let pads_hash = modifiers
            .iter()
            .any(|modifier| matches!(modifier, Modifier::Hash | Modifier::NewHash));
        if is_zero_padded && width > PADDED_MAX as i32 || pads_hash && offset > PADDED_MAX as i32 {
            return Err(HashFormatError::NumberOutOfRange { max: PADDED_MAX });
        }
        let Some(source) = self.source()? else {
            return Ok(None);
        };
        Ok(Some(Field {
            source,
            modifiers,
            offset,
            width,
            is_zero_padded,
        }))
    }

    fn take(&mut self, wanted: char) -> bool {
        let rest = self.0.strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn number(&mut self) -> Result<i32, HashFormatError> {
        let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at(end);
        self.0 = rest;
        if digits.is_empty() {
            return Ok(0);
        }
        digits
            .parse()
            .map_err(|_| HashFormatError::NumberOutOfRange { max: NUMBER_MAX })
    }

    fn modifiers(&mut self) -> Vec<Modifier> {
        let mut modifiers = Vec::new();
        let mut letters = self.0.chars();
        while modifiers.len() < MODIFIERS_MAX
            && let Some(modifier) = letters.next().and_then(Modifier::of)
        {
            modifiers.push(modifier);
            self.0 = letters.as_str();
        }
        modifiers
    }

    /// The variable; none at the end of the format.
    fn source(&mut self) -> Result<Option<Source>, HashFormatError> {
        let mut chars = self.0.chars();
        let Some(letter) = chars.next() else {
            return Ok(None);
        };
        if letter == '{' && self.0.contains('}') {
            let end = closing_brace(self.0);
            let source = long_source(&self.0[1..end])?;
            self.0 = self.0.get(end + 1..).unwrap_or("");
            return Ok(Some(source));
        }
        let variable = match letter {
            'u' => Variable::User,
            'n' => Variable::Username,
            'd' => Variable::Domain,
            '%' => Variable::Percent,
            _ => {
                return Err(HashFormatError::UnknownVariable {
                    name: letter.to_string().into(),
                });
            }
        };
        self.0 = chars.as_str();
        Ok(Some(Source::Variable(variable)))
    }
}

/// Where the brace closes that `text` begins with; the end of the text when it does not.
fn closing_brace(text: &str) -> usize {
    let mut depth = 0;
    let mut is_escaped = false;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'{' => depth += 1,
            b'}' if depth == 1 => return place,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// What stands between braces: a long name, or `<hash>[;<arguments>]:<what stands between braces>`.
fn long_source(name: &str) -> Result<Source, HashFormatError> {
    let variable = match name {
        "user" => Variable::User,
        "username" => Variable::Username,
        "domain" => Variable::Domain,
        _ => return hash_source(name),
    };
    Ok(Source::Variable(variable))
}

fn hash_source(name: &str) -> Result<Source, HashFormatError> {
    let unknown = || HashFormatError::UnknownVariable {
        name: format!("{{{name}}}").into(),
    };
    let (hash, of) = name.split_once(':').ok_or_else(unknown)?;
    let (algorithm, arguments) = hash.split_once(';').unwrap_or((hash, ""));
    let algorithm = Algorithm::named(algorithm).ok_or_else(unknown)?;
    let mut hash = HashOf {
        algorithm,
        source: long_source(of)?,
        rounds: 1,
        salt: Vec::new(),
        bits: None,
        encoding: Encoding::Hex,
    };
    for argument in arguments.split(',').filter(|argument| !argument.is_empty()) {
        let bad = || HashFormatError::BadArgument {
            argument: argument.into(),
        };
        match argument.split_once('=').ok_or_else(bad)? {
            ("rounds", rounds) => {
                let range = 1..=ROUNDS_MAX;
                let rounds = rounds.parse().ok().filter(|rounds| range.contains(rounds));
                hash.rounds = rounds.ok_or(HashFormatError::RoundsOutOfRange { max: ROUNDS_MAX })?;
            }
            ("truncate", bits) => hash.bits = Some(bits.parse().map_err(|_| bad())?).filter(|&bits| bits > 0),
            ("format", "hex" | "hexuc") => hash.encoding = Encoding::Hex,
            ("format", "base64") => hash.encoding = Encoding::Base64,
            ("salt", salt) => {
                hash.salt = template(salt)?;
                // Dovecot reads no argument behind the salt.
                break;
            }
            _ => return Err(bad()),
        }
    }
    Ok(Source::Hash(Box::new(hash)))
}
