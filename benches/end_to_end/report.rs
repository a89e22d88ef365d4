use super::{
    rounds::{Figures, Proxy, Sample},
    scenario::Scenario,
};

/// A sample of each proxy.
type Round = Vec<Sample>;

/// One table: a row for each proxy, with tollgate's ratio to it.
pub(super) fn print(scenario: Scenario, proxies: &[Proxy], rounds: &[Round]) {
    println!("\n{}, {} rounds", scenario.title(), rounds.len());
    println!(
        "{:<22}{:>12}{:>8}{:>8}{:>9}  {:>18}{:>8}",
        "", "CPU µs/req", "quiet", "spread", "req/s", "tollgate is", "quiet"
    );
    for (index, proxy) in proxies.iter().enumerate() {
        let costs = costs(rounds, index);
        let (Some(median), Some(quiet)) = (quantile(&costs, 0.5), quantile(&costs, 0.2)) else {
            println!("{:<22}  no round without errors", proxy.name());
            continue;
        };
        let spread = (quantile(&costs, 1.0).unwrap_or(median)
            - quantile(&costs, 0.0).unwrap_or(median))
            / median;
        let speeds = sorted(figures(rounds, index).map(|figures| figures.per_second));
        let speed = quantile(&speeds, 0.5).unwrap_or_default();
        print!(
            "{:<22}{median:>12.2}{quiet:>8.2}{:>7.0}%{speed:>9.0}",
            proxy.name(),
            spread * 100.0
        );
        let reference = proxy.reference().and_then(|of| proxies.iter().position(|one| *one == of));
        let ratio = reference.and_then(|of| {
            let all = quantile(&ratios(rounds, of, index), 0.5)?;
            Some((all, quantile(&self::costs(rounds, of), 0.2)? / quiet))
        });
        match ratio {
            Some((ratio, quiet)) => println!("  {ratio:>17.3}×{quiet:>7.3}×"),
            None => println!(),
        }
    }
}

fn figures(rounds: &[Round], index: usize) -> impl Iterator<Item = Figures> {
    rounds.iter().filter_map(move |round| round[index])
}

/// CPU time per request in each round.
fn costs(rounds: &[Round], index: usize) -> Vec<f64> {
    sorted(figures(rounds, index).map(|figures| figures.per_request))
}

/// The one's cost over the other's, of each round that has both.
fn ratios(rounds: &[Round], one: usize, other: usize) -> Vec<f64> {
    let ratio = |round: &Round| Some(round[one]?.per_request / round[other]?.per_request);
    sorted(rounds.iter().filter_map(ratio))
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Of sorted values, linear between two of them.
pub(super) fn quantile(sorted: &[f64], at: f64) -> Option<f64> {
    let place = at * sorted.len().checked_sub(1)? as f64;
    let below = sorted[place as usize];
    let above = sorted[(place.ceil() as usize).min(sorted.len() - 1)];
    Some(below + (above - below) * place.fract())
}
