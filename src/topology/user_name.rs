//! What a user's name may be, wherever it comes from.

/// The longest name of a user, in bytes.
pub const USER_NAME_BYTES_MAX: usize = 255;

/// Whether that can be a user's name: not empty, not longer than [`USER_NAME_BYTES_MAX`], no control characters.
pub fn is_user_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= USER_NAME_BYTES_MAX && !name.chars().any(char::is_control)
}
