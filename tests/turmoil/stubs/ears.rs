//! LMTP as who hears it understands it (RFC 2033, with CHUNKING): lines, and messages.

/// Something that was said.
#[derive(Debug)]
pub enum Heard {
    /// A command, without its end.
    Line(String),
    /// The first byte of a message, or its first chunk.
    Begin,
    /// A part of it, without the dots of DATA.
    Content(Vec<u8>),
    /// A chunk that is not the last one.
    ChunkEnd,
    /// The message is whole.
    End,
}

/// What was heard, and what is to come.
#[derive(Debug, Default)]
pub struct Ears {
    bytes: Vec<u8>,
    awaited: Awaited,
    has_begun: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Awaited {
    #[default]
    Command,
    Data,
    Chunk {
        bytes: usize,
        is_last: bool,
    },
}

impl Ears {
    /// What these bytes mean, behind those before.
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Heard> {
        self.bytes.extend_from_slice(bytes);
        let mut heard = Vec::new();
        while self.take(&mut heard) {}
        heard
    }

    fn take(&mut self, heard: &mut Vec<Heard>) -> bool {
        match self.awaited {
            Awaited::Command => self.take_command(heard),
            Awaited::Data => {
                if !self.bytes.is_empty() {
                    self.begin(heard);
                }
                self.take_data(heard)
            }
            Awaited::Chunk { bytes, is_last } => {
                self.begin(heard);
                if self.bytes.len() < bytes {
                    return false;
                }
                heard.push(Heard::Content(self.bytes.drain(..bytes).collect()));
                self.awaited = Awaited::Command;
                if is_last {
                    self.has_begun = false;
                    heard.push(Heard::End);
                } else {
                    heard.push(Heard::ChunkEnd);
                }
                true
            }
        }
    }

    fn begin(&mut self, heard: &mut Vec<Heard>) {
        if !self.has_begun {
            self.has_begun = true;
            heard.push(Heard::Begin);
        }
    }

    fn take_command(&mut self, heard: &mut Vec<Heard>) -> bool {
        let Some(line) = self.take_line() else {
            return false;
        };
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let mut words = text.split(' ');
        match words.next() {
            Some("DATA") => self.awaited = Awaited::Data,
            Some("BDAT") => {
                let bytes = words.next().and_then(|size| size.parse().ok()).unwrap_or(0);
                let is_last = words.next() == Some("LAST");
                self.awaited = Awaited::Chunk { bytes, is_last };
                return true;
            }
            _ => {}
        }
        heard.push(Heard::Line(text));
        true
    }

    fn take_data(&mut self, heard: &mut Vec<Heard>) -> bool {
        let Some(line) = self.take_line() else {
            return false;
        };
        if line == b".\r\n" {
            (self.awaited, self.has_begun) = (Awaited::Command, false);
            heard.push(Heard::End);
        } else {
            let content = line.strip_prefix(b".").unwrap_or(&line);
            heard.push(Heard::Content(content.to_vec()));
        }
        true
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        Some(self.bytes.drain(..=end).collect())
    }
}
