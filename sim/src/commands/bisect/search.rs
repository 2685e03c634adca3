//! The search for the first bad commit among some of which nothing can be said.

/// What one commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It survives.
    Good,
    /// It breaks what is sought.
    Bad,
    /// Nothing can be said of it.
    Unknown,
}

/// What the search knows. Commits are numbered from the oldest; the last is bad, and the one before the first is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    judged: Vec<Option<Judgement>>,
}

impl Search {
    /// Among `count` commits, of which the last is known to be bad.
    ///
    /// # Panics
    /// There is none.
    pub fn new(count: usize) -> Self {
        let mut judged = vec![None; count];
        *judged.last_mut().expect("there is a bad commit") = Some(Judgement::Bad);
        Search { judged }
    }

    /// What became of a commit.
    pub fn learn(&mut self, commit: usize, judgement: Judgement) {
        self.judged[commit] = Some(judgement);
    }

    /// The one to try: of those that can still tell something, the one nearest to the middle. `None` at the end.
    pub fn next(&self) -> Option<usize> {
        let (from, bad) = self.suspects();
        let middle = from + (bad - from) / 2;
        let open = (from..bad).filter(|commit| self.judged[*commit].is_none());
        open.min_by_key(|commit| commit.abs_diff(middle))
    }

    /// About how many more have to be tried.
    pub fn steps_left(&self) -> u32 {
        let (from, bad) = self.suspects();
        let open = (from..bad).filter(|commit| self.judged[*commit].is_none());
        (open.count() + 1).next_power_of_two().ilog2()
    }

    /// Those of which one is the first bad one: from the one after the last good one to the first bad one. All but the
    /// last of them are unknown once [`Search::next`] has no more.
    pub fn suspects(&self) -> (usize, usize) {
        let is = |wanted| move |judged: &Option<Judgement>| *judged == Some(wanted);
        let bad = self.judged.iter().position(is(Judgement::Bad));
        let bad = bad.expect("the last commit is bad");
        let good = self.judged[..bad].iter().rposition(is(Judgement::Good));
        (good.map_or(0, |good| good + 1), bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches to the end; the suspects, and how many were tried.
    fn search(count: usize, judge: impl Fn(usize) -> Judgement) -> ((usize, usize), u32) {
        let mut search = Search::new(count);
        let mut tried = 0;
        while let Some(commit) = search.next() {
            search.learn(commit, judge(commit));
            tried += 1;
        }
        (search.suspects(), tried)
    }

    fn bad_from(first: usize) -> impl Fn(usize) -> Judgement {
        move |commit| {
            if commit < first {
                Judgement::Good
            } else {
                Judgement::Bad
            }
        }
    }

    #[test]
    fn the_first_bad_commit_is_found_wherever_it_is() {
        for count in 1..40 {
            for first in 0..count {
                let (suspects, tried) = search(count, bad_from(first));
                assert_eq!(suspects, (first, first));
                assert!(tried <= count.ilog2() + 1, "{tried} of {count}");
            }
        }
    }

    #[test]
    fn the_steps_left_are_told_in_advance() {
        let left = |count| Search::new(count).steps_left();
        assert_eq!([1, 2, 3, 4, 100].map(left), [0, 1, 2, 2, 7]);
    }

    #[test]
    fn commits_of_which_nothing_can_be_said_are_passed_over() {
        let (suspects, _) = search(20, |commit| match commit {
            8..=11 => Judgement::Unknown,
            _ => bad_from(15)(commit),
        });
        assert_eq!(suspects, (15, 15));
    }

    #[test]
    fn where_nothing_can_be_said_around_the_first_bad_one_several_are_suspect() {
        let (suspects, _) = search(20, |commit| match commit {
            8..=11 => Judgement::Unknown,
            _ => bad_from(10)(commit),
        });
        assert_eq!(suspects, (8, 12));
    }
}
