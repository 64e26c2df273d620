//! Running a scenario from many seeds, and saying how to run the one again that failed.

use super::Violation;

/// The variable that chooses a single seed.
const VARIABLE: &str = "RING_SEED";

/// Runs a scenario from each seed, or only from the one in `RING_SEED`. The error has the command that runs the failed
/// one again; `test` is the name of the test.
pub fn each_seed(
    test: &str,
    seeds: impl IntoIterator<Item = u64>,
    scenario: impl Fn(u64) -> Result<(), Violation>,
) -> Result<(), String> {
    let chosen = std::env::var(VARIABLE).ok().and_then(|seed| seed.parse().ok());
    let seeds = chosen.map_or_else(|| seeds.into_iter().collect(), |seed| vec![seed]);
    for seed in seeds {
        scenario(seed).map_err(|violation| {
            format!("seed {seed}: {violation}\nagain: {VARIABLE}={seed} cargo nextest run -p pontoon-ring {test}")
        })?;
    }
    Ok(())
}
