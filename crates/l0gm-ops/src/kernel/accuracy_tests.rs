//! Measures the accuracy of the vectorised f32 functions in units of the last place (ulp): the largest error over
//! floats taken from the whole range, with and without fused multiply-adds.

use super::Real;

/// Only every `STEP`-th float of a range is tested. `STEP` is a prime, so that all low bits occur.
const STEP: usize = 641;

fn floats(from: f32, to: f32) -> impl Iterator<Item = f32> {
    assert!(from > 0.0 && to > from);
    (from.to_bits()..=to.to_bits())
        .step_by(STEP)
        .map(f32::from_bits)
}

/// |found - expected| in units of the last place of the expected f32 value.
fn ulps(found: f32, expected: f64) -> f64 {
    let near = (expected as f32).abs().max(f32::MIN_POSITIVE);
    let unit = f64::from(near.next_up()) - f64::from(near);
    (f64::from(found) - expected).abs() / unit
}

/// The largest error of `ours` against `truth` at x and, if `both`, also at -x.
fn worst(
    range: (f32, f32),
    signs: &[f32],
    ours: impl Fn(f32) -> f32,
    truth: impl Fn(f64) -> f64,
) -> (f64, f32) {
    let mut worst = (0.0, 0.0);
    for magnitude in floats(range.0, range.1) {
        for sign in signs {
            let x = sign * magnitude;
            let error = ulps(ours(x), truth(f64::from(x)));
            if error > worst.0 {
                worst = (error, x);
            }
        }
    }
    worst
}

fn bound(name: &str, limit: f64, (error, at): (f64, f32)) {
    eprintln!("{name}: {error:.2} ulp at {at:e}");
    assert!(
        error <= limit,
        "{name}: {error} ulp at {at:e}, expected at most {limit}"
    );
}

fn errors<const FMA: bool>() {
    let fused = if FMA { "fused" } else { "not fused" };
    let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
    let distribution =
        |x: f64| 0.5 * candle_core::cpu::erf::erfc_f64(-x * std::f64::consts::FRAC_1_SQRT_2);
    // The range covers results down to the smallest normal number.
    let exp = worst(
        (1e-30, 87.0),
        &[-1.0],
        |x| x.exp_nonpositive::<FMA>(),
        f64::exp,
    );
    bound(&format!("exp, {fused}"), 1.5, exp);
    let ln = worst(
        (f32::MIN_POSITIVE, f32::MAX),
        &[1.0],
        |x| x.ln_positive::<FMA>(),
        f64::ln,
    );
    bound(&format!("ln, {fused}"), 2.0, ln);
    let sigmoid = worst(
        (1e-30, 87.0),
        &[1.0, -1.0],
        |x| x.sigmoid::<FMA>().0,
        logistic,
    );
    bound(&format!("sigmoid, {fused}"), 2.5, sigmoid);
    // exp(-x^2 / 2) amplifies the rounding of x^2, so the error in the tail grows with x.
    for (to, limit) in [(1.0, 6.5), (4.0, 7.5), (13.0, 64.0)] {
        let normal = worst(
            (1e-30, to),
            &[1.0, -1.0],
            |x| x.normal::<FMA>().0,
            distribution,
        );
        bound(
            &format!("normal distribution up to {to}, {fused}"),
            limit,
            normal,
        );
    }
}

#[test]
fn vectorised_functions_are_a_few_units_of_the_last_place_from_the_truth() {
    errors::<false>();
    errors::<true>();
}
