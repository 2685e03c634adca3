//! What a line of POP3 may have in it. What it says is left to both sides.

/// Bytes that a command line may have without its CRLF, which the 255 of RFC 2449, section 4 count.
pub(super) const COMMAND_BYTES_MAX: usize = 253;
/// Bytes that a line with PASS may have: people's passwords are longer than RFC 2449 thinks.
pub(super) const PASS_BYTES_MAX: usize = 1024;

/// What may stand in a line: control characters would end it, or play with a terminal.
pub(super) fn without_controls(line: &[u8]) -> Vec<u8> {
    let shown = |byte: &u8| if byte.is_ascii_control() { b'?' } else { *byte };
    line.iter().map(shown).collect()
}
