//! The words of a Rust source text, and the paths that they spell; rules about them are left to `main.rs`.

/// One path that a file names, and where.
pub struct Named {
    pub line: usize,
    /// As written, use trees multiplied out; a glob ends in `*`.
    pub segments: Vec<String>,
    /// The module in which it stands.
    module: Vec<String>,
    is_import: bool,
}

impl Named {
    /// The path from the crate's root, for a path that starts in this crate.
    pub fn within_crate(&self) -> Option<Vec<&str>> {
        let mut rest = self.segments.iter().map(String::as_str).peekable();
        let mut path: Vec<&str> = match *rest.peek()? {
            "crate" | "maildirector" => {
                rest.next();
                Vec::new()
            }
            "self" => {
                rest.next();
                self.module.iter().map(String::as_str).collect()
            }
            "super" => self.module.iter().map(String::as_str).collect(),
            _ => return None,
        };
        while rest.next_if_eq(&"super").is_some() {
            path.pop();
        }
        path.extend(rest.filter(|segment| !matches!(*segment, "*" | "self")));
        Some(path)
    }

    /// Whether the path leads to `outside`, or imports something that holds it.
    pub fn reaches(&self, outside: &[&str]) -> bool {
        let segments: Vec<&str> = self
            .segments
            .iter()
            .map(String::as_str)
            .filter(|segment| !matches!(*segment, "*" | "self"))
            .collect();
        segments.starts_with(outside) || (self.is_import && outside.starts_with(&segments))
    }
}

/// Every path in a file of the given module, as written: imports one by one, and paths within the code.
pub fn paths(tokens: &[Token], module: &[String]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut module = module.to_vec();
    let mut depth = 0;
    let mut inline_modules = Vec::new();
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut at = 0;
    while at < tokens.len() {
        let line = tokens[at].line;
        match text(at) {
            "mod" if text(at + 2) == "{" => {
                module.push(text(at + 1).to_owned());
                inline_modules.push(depth);
                at += 1;
            }
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inline_modules.last() == Some(&depth) {
                    inline_modules.pop();
                    module.pop();
                }
            }
            // `use<'a>` in a type names what the type captures.
            "use" if text(at + 1) != "<" => {
                let mut leaves = Vec::new();
                at = use_tree(tokens, at + 1, &[], &mut leaves);
                let import = |segments| Named {
                    line,
                    segments,
                    module: module.clone(),
                    is_import: true,
                };
                found.extend(leaves.into_iter().map(import));
                continue;
            }
            _ if tokens[at].is_word() && text(at + 1) == "::" => {
                let mut segments = vec![text(at).to_owned()];
                while text(at + 1) == "::" && tokens.get(at + 2).is_some_and(Token::is_word) {
                    at += 2;
                    segments.push(text(at).to_owned());
                }
                found.push(Named {
                    line,
                    segments,
                    module: module.clone(),
                    is_import: false,
                });
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Multiplies out the use tree that starts at `at`; answers where the text goes on.
fn use_tree(tokens: &[Token], mut at: usize, prefix: &[String], leaves: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => {
                while !matches!(tokens.get(at).map(|token| token.text.as_str()), None | Some("}")) {
                    at = use_tree(tokens, at + 1, &path, leaves);
                }
                return at + 1;
            }
            "as" => at += 1,
            "," | ";" | "}" => break,
            "::" => {}
            segment => path.push(segment.to_owned()),
        }
        at += 1;
    }
    if path.len() > prefix.len() {
        leaves.push(path);
    }
    at
}

/// A word, `::` or one other character of a source text.
pub struct Token {
    pub line: usize,
    pub text: String,
}

impl Token {
    fn is_word(&self) -> bool {
        self.text
            .starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// The tokens of a source text without its comments, strings, characters and lifetimes.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let word = word_length(rest);
        let (length, is_token) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (block_comment(rest), false)
        } else if let Some(length) = literal(rest) {
            (length, false)
        } else if rest.starts_with("r#") {
            (2, false)
        } else if word > 0 {
            (word, true)
        } else if rest.starts_with("::") {
            (2, true)
        } else {
            (first.len_utf8(), !first.is_whitespace())
        };
        let (text, after) = rest.split_at(length);
        if is_token {
            tokens.push(Token {
                line,
                text: text.to_owned(),
            });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

fn word_length(rest: &str) -> usize {
    rest.find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len())
}

/// The length of the block comment, with those inside it, at the start of `rest`.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of the string, character or lifetime at the start of `rest`, if one stands there.
fn literal(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let prefix = rest.len() - body.len();
    if let Some(raw) = body.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let text = raw[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = text.find(&end).map_or(text.len(), |at| at + end.len());
        return Some(prefix + 1 + hashes + 1 + length);
    }
    let quote = body.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let is_lifetime = quote == '\'' && !body[1..].starts_with('\\') && body.chars().nth(2) != Some('\'');
    if is_lifetime {
        return Some(prefix + 1 + word_length(&body[1..]));
    }
    let mut is_escaped = false;
    for (at, c) in body.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return Some(prefix + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}
