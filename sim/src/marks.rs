//! Coverage: named things that a sweep should reach, with how often it did. A mark that is never hit means that the
//! sweep does not test what it seems to.

macro_rules! marks {
    ($($mark:ident $name:literal $words:literal)*) => {
        /// Something worth reaching.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Mark {
            $(
                #[doc = $words]
                $mark,
            )*
        }

        impl Mark {
            /// The catalogue.
            pub const ALL: &'static [Mark] = &[$(Mark::$mark),*];

            /// The name in reports.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Mark::$mark => $name,)*
                }
            }

            /// What it means.
            pub const fn words(self) -> &'static str {
                match self {
                    $(Mark::$mark => $words,)*
                }
            }
        }
    };
}

marks! {
    Serving "serving" "A director got a lease after a time without."
    Isolated "isolated" "A director's lease ran out."
    Installed "installed" "A new topology came into force somewhere."
    CaughtUp "caught-up" "A topology came as a whole, after missed commits."
}

/// How often each mark was hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkSet {
    counts: [u64; Mark::ALL.len()],
}

impl Default for MarkSet {
    fn default() -> Self {
        MarkSet {
            counts: [0; Mark::ALL.len()],
        }
    }
}

impl MarkSet {
    /// Counts one hit.
    #[inline]
    pub fn hit(&mut self, mark: Mark) {
        self.counts[mark as usize] += 1;
    }

    /// How often the mark was hit.
    pub fn count(&self, mark: Mark) -> u64 {
        self.counts[mark as usize]
    }

    /// Adds the hits of another run.
    pub fn merge(&mut self, other: &MarkSet) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// Every mark of the catalogue with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Mark, u64)> + '_ {
        Mark::ALL.iter().map(|mark| (*mark, self.count(*mark)))
    }

    /// Marks that were never hit.
    pub fn missed(&self) -> impl Iterator<Item = Mark> + '_ {
        self.iter().filter(|(_, count)| *count == 0).map(|(mark, _)| mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_of_two_runs_add_up() {
        let (mut one, mut two) = (MarkSet::default(), MarkSet::default());
        one.hit(Mark::Serving);
        two.hit(Mark::Serving);
        two.hit(Mark::Isolated);
        one.merge(&two);
        assert_eq!(one.count(Mark::Serving), 2);
        assert!(one.missed().all(|mark| mark != Mark::Isolated));
        assert!(one.missed().any(|mark| mark == Mark::CaughtUp));
    }
}
