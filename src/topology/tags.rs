//! The names of tags. The list only grows, so that a [`TagId`] means the same for ever.

use std::collections::BTreeMap;

use super::{ChangeError, Counted, TagId};

/// The most tags that a topology ever names; far below the range of a [`TagId`].
pub const TAGS_MAX: usize = 1_024;

/// The longest name of a tag, in bytes.
pub const TAG_BYTES_MAX: usize = 64;

/// The list of tags; the first is the default one, with the empty name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tags {
    names: Vec<Box<str>>,
    ids: BTreeMap<Box<str>, TagId>,
}

impl Tags {
    pub(super) fn new() -> Self {
        Tags {
            names: vec!["".into()],
            ids: BTreeMap::from([("".into(), TagId::DEFAULT)]),
        }
    }

    /// The tag with this name, made when it is new.
    pub(super) fn insert(&mut self, name: &str) -> Result<TagId, ChangeError> {
        if let Some(id) = self.find(name) {
            return Ok(id);
        }
        self.check(name)?;
        let index = u16::try_from(self.names.len()).expect("check keeps the list within TAGS_MAX");
        self.names.push(name.into());
        self.ids.insert(name.into(), TagId::from_index(index));
        Ok(TagId::from_index(index))
    }

    /// Whether [`insert`](Self::insert) would take this name.
    pub(super) fn check(&self, name: &str) -> Result<(), ChangeError> {
        if self.ids.contains_key(name) {
            return Ok(());
        }
        if name.len() > TAG_BYTES_MAX {
            return Err(ChangeError::TagTooLong {
                bytes: name.len(),
                max: TAG_BYTES_MAX,
            });
        }
        if name.chars().any(|c| c.is_control() || c == '@') {
            return Err(ChangeError::BadTag { tag: name.into() });
        }
        if self.names.len() >= TAGS_MAX {
            return Err(ChangeError::TooMany {
                what: Counted::Tags,
                limit: TAGS_MAX,
            });
        }
        Ok(())
    }

    pub(super) fn find(&self, name: &str) -> Option<TagId> {
        self.ids.get(name).copied()
    }

    pub(super) fn name(&self, id: TagId) -> Option<&str> {
        self.names.get(usize::from(id.index())).map(|name| &**name)
    }

    pub(super) fn names(&self) -> &[Box<str>] {
        &self.names
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (TagId, &str)> + '_ {
        self.names
            .iter()
            .enumerate()
            .map(|(index, name)| (TagId::from_index(index as u16), &**name))
    }
}
