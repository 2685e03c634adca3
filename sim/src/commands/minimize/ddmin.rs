//! Delta debugging of a list and of a number.
//!
//! Both know nothing of plans: they ask whether a smaller candidate still shows what was found.

/// The smallest list that ddmin finds for which `shows` still holds: no single item can be left out of it.
///
/// `shows` is not asked about `items` itself.
pub fn fewer<T: Clone>(items: &[T], mut shows: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut kept = items.to_vec();
    if kept.is_empty() || shows(&[]) {
        return Vec::new();
    }
    let mut parts = 2;
    while kept.len() > 1 {
        let size = kept.len().div_ceil(parts);
        let without = (0..kept.len()).step_by(size).find_map(|from| {
            let to = (from + size).min(kept.len());
            let candidate = [&kept[..from], &kept[to..]].concat();
            (!candidate.is_empty() && shows(&candidate)).then_some(candidate)
        });
        match without {
            Some(smaller) => {
                kept = smaller;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(kept.len()),
        }
    }
    kept
}

/// A number nearer to `floor` for which `shows` still holds, found by halving the distance; `value` itself when
/// there is none.
///
/// Where the answer is not monotonous this is one of several local minima.
pub fn lower(value: u64, floor: u64, mut shows: impl FnMut(u64) -> bool) -> u64 {
    if value <= floor {
        return value;
    }
    if shows(floor) {
        return floor;
    }
    // `floor` (or `fails`) does not show it, `kept` does.
    let (mut fails, mut kept) = (floor, value);
    while kept - fails > 1 {
        let middle = fails + (kept - fails) / 2;
        if shows(middle) {
            kept = middle;
        } else {
            fails = middle;
        }
    }
    kept
}

/// The roundest number near `value` for which `shows` still holds: a multiple of a second, of 100 ms, of 10 ms.
pub fn rounder_ms(value: u64, mut shows: impl FnMut(u64) -> bool) -> u64 {
    for step in [1_000, 500, 100, 50, 10] {
        if value.is_multiple_of(step) {
            return value;
        }
        let below = value / step * step;
        for candidate in [below, below + step] {
            if shows(candidate) {
                return candidate;
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_far_items_show_shrinks_to_them() {
        let items: Vec<u32> = (0..100).collect();
        let mut asked = 0;
        let kept = fewer(&items, |some| {
            asked += 1;
            some.contains(&3) && some.contains(&77)
        });
        assert_eq!(kept, [3, 77]);
        assert!(asked < 100, "{asked}");
    }

    #[test]
    fn what_needs_no_item_keeps_none() {
        assert_eq!(fewer(&[1, 2, 3], |_| true), [0; 0]);
    }

    #[test]
    fn what_needs_every_item_keeps_them() {
        let items: Vec<u32> = (0..7).collect();
        assert_eq!(fewer(&items, |some| some.len() == 7), items);
    }

    #[test]
    fn a_number_is_lowered_to_the_edge() {
        assert_eq!(lower(1_000, 10, |n| n >= 37), 37);
        assert_eq!(lower(1_000, 10, |_| true), 10);
        assert_eq!(lower(1_000, 10, |_| false), 1_000);
        assert_eq!(lower(5, 10, |_| true), 5);
    }

    #[test]
    fn times_become_round() {
        assert_eq!(rounder_ms(1_234, |ms| ms >= 1_200), 2_000);
        assert_eq!(rounder_ms(1_234, |ms| (1_201..1_400).contains(&ms)), 1_300);
        assert_eq!(rounder_ms(1_234, |_| false), 1_234);
    }
}
