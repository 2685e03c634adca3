//! Putting a plan together.

use super::moments::Moments;
use super::script::Script;
use super::{drain, faults, health, knobs, patterns, upgrades, work};
use crate::entropy::{Entropy, Purpose};
use crate::plan::{Ending, FORMAT, Plan};

/// The plan of a seed.
pub(crate) fn plan(seed: u64) -> Plan {
    let entropy = Entropy::new(seed);
    let mut stream = entropy.stream(Purpose::Knobs);
    let knobs = knobs::draw(
        &mut stream,
        &mut entropy.stream(Purpose::FlushKnobs),
        &mut entropy.stream(Purpose::HealthKnobs),
    );
    let duration_ms = *stream.pick(&[12_000, 20_000, 30_000, 30_000, 40_000]);
    let ending = *stream.pick(&[
        Ending::AllHeal,
        Ending::AllHeal,
        Ending::OthersDeaf,
        Ending::OthersCutOff,
        Ending::OthersDeaf,
        Ending::OthersStopped,
        Ending::OthersLossy,
        Ending::OthersFlapping,
    ]);
    let moments = Moments::draw(&mut stream, &knobs, duration_ms);
    let mut drawn = entropy.stream(Purpose::Faults);
    let mut script = Script::new(&mut drawn, &knobs, &moments);
    // Most seeds have one or more series of mishaps, and then fewer single ones; some have nothing but work.
    let series = *script.stream.pick(&[0, 0, 0, 1, 1, 1, 2, 3]);
    for _ in 0..series {
        let at_ms = moments.begin_ms(script.stream);
        patterns::draw(&mut script, at_ms);
    }
    if series > 0 || !script.stream.percent(15) {
        faults::draw(&mut script, series);
    }
    let (mut faults, mut work) = (script.faults, script.work);
    work::draw(&mut entropy.stream(Purpose::Work), &knobs, &moments, &mut work);
    health::draw(
        &mut entropy.stream(Purpose::Probe),
        &knobs,
        &moments,
        &mut faults,
        &mut work,
    );
    drain::draw(&mut entropy.stream(Purpose::Drain), &knobs, &moments, &mut work);
    let upgrades = upgrades::draw(&mut entropy.stream(Purpose::Upgrade), &knobs, &moments);
    faults.extend(upgrades.0);
    work.extend(upgrades.1);
    Plan {
        format: FORMAT,
        note: String::new(),
        expect: None,
        seed,
        duration_ms,
        ending,
        knobs,
        faults,
        work,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_gives_a_plan_that_a_world_can_be_made_of() {
        for seed in 0..2_000 {
            let plan = plan(seed);
            plan.check()
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert!(plan.faults.iter().all(|fault| fault.from_ms <= fault.to_ms));
        }
    }

    #[test]
    fn a_seed_always_gives_the_same_plan() {
        assert_eq!(plan(77), plan(77));
        assert_ne!(plan(77), plan(78));
    }
}
