//! A table like a census, with UCI Adult's schema, category names, file format, missing values and share of
//! positives. Income depends on age and hours with humps, on capital gains with jumps, and on interactions (a degree
//! pays off in some occupations, and marriage more with a degree). So a linear model on plain numbers is worse than
//! one with non-linear terms and interactions.

use super::census_values::{
    CAPITAL_GAIN, CAPITAL_LOSS, COUNTRY, EDUCATION, OCCUPATION, RACE, Shares, WORKCLASS,
};
use crate::Result;
use crate::folders::write_atomically;
use crate::rng::Rng;
use std::fmt::Write as _;
use std::path::Path;

/// Size and seed of a census twin.
#[derive(Clone, Debug)]
pub struct Census {
    /// Rows of adult.data.
    pub train_rows: usize,
    /// Rows of adult.test.
    pub test_rows: usize,
    /// Seed; equal seeds give equal bytes.
    pub seed: u64,
}

impl Census {
    /// Writes adult.data and adult.test into `dir`.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let mut rng = Rng::new(self.seed, 1);
        write_atomically(
            &dir.join("adult.data"),
            rows(&mut rng, self.train_rows, "").as_bytes(),
        )?;
        let mut rng = Rng::new(self.seed, 2);
        let test = format!(
            "|1x3 Cross validator\n{}",
            rows(&mut rng, self.test_rows, ".")
        );
        write_atomically(&dir.join("adult.test"), test.as_bytes())
    }
}

/// One person, before values are made missing.
struct Person {
    age: u32,
    workclass: &'static str,
    weight: u32,
    education: usize,
    marital: &'static str,
    occupation: usize,
    relationship: &'static str,
    race: &'static str,
    man: bool,
    gain: (u32, f64),
    loss: (u32, f64),
    hours: u32,
    country: &'static str,
}

/// The lines of a file; like the original, it ends with an empty line.
fn rows(rng: &mut Rng, count: usize, label_end: &str) -> String {
    let mut text = String::with_capacity(count * 125);
    for _ in 0..count {
        let person = Person::draw(rng);
        let rich = rng.chance(person.probability());
        person.write(rng, &mut text);
        text.push_str(if rich { ">50K" } else { "<=50K" });
        text.push_str(label_end);
        text.push('\n');
    }
    text.push('\n');
    text
}

fn draw_share(rng: &mut Rng, shares: &'static Shares) -> &'static str {
    shares[rng.weighted(shares.iter().map(|s| s.1))].0
}

/// A hump of height 1 with this width around `centre`.
fn hump(x: f64, centre: f64, width: f64) -> f64 {
    (-((x - centre) / width).powi(2)).exp()
}

impl Person {
    fn draw(rng: &mut Rng) -> Self {
        // Kumaraswamy's distribution: skewed towards young ages, from 17 to 90.
        let skew = (1.0 - (1.0 - rng.uniform()).powf(1.0 / 3.5)).powf(1.0 / 1.35);
        let age = 17 + (skew * 73.0) as u32;
        let a = f64::from(age);
        let man = rng.chance(0.67);
        let education = rng.weighted(EDUCATION.iter().enumerate().map(|(i, e)| {
            let too_young = (a < 22.0 && i >= 12) || (a < 26.0 && i >= 13);
            if too_young { e.1 * 0.04 } else { e.1 }
        }));
        let marital = Self::draw_marital(rng, a, man);
        let relationship = Self::draw_relationship(rng, a, man, marital);
        let schooling = (education + 1) as f64;
        let occupation = rng.weighted(OCCUPATION.iter().map(|&(_, share, typical, men, _)| {
            let fits = 0.15 + hump(schooling, typical, 3.0);
            share * fits * if man { men / 0.67 } else { (1.0 - men) / 0.33 }
        }));
        let workclass = draw_share(rng, &WORKCLASS);
        let hours = Self::draw_hours(rng, a, OCCUPATION[occupation].4, workclass);
        let prosperity = schooling - 10.0 + 2.0 * hump(a, 48.0, 15.0);
        let gain = amount(rng, &CAPITAL_GAIN, 0.06 + 0.012 * prosperity.max(0.0));
        let loss = if gain.0 == 0 {
            amount(rng, &CAPITAL_LOSS, 0.04 + 0.006 * prosperity.max(0.0))
        } else {
            (0, 0.0)
        };
        Person {
            age,
            workclass,
            weight: (178_000.0 * (0.55 * rng.normal()).exp()).clamp(12_285.0, 1_484_705.0) as u32,
            education,
            marital,
            occupation,
            relationship,
            race: draw_share(rng, &RACE),
            man,
            gain,
            loss,
            hours,
            country: draw_share(rng, &COUNTRY),
        }
    }

    fn draw_marital(rng: &mut Rng, age: f64, man: bool) -> &'static str {
        let settled = 1.0 / (1.0 + (-(age - 29.0) / 4.5).exp());
        let old = 1.0 / (1.0 + (-(age - 66.0) / 6.0).exp());
        let shares = [
            ("Never-married", 0.06 + 0.94 * (1.0 - settled)),
            (
                "Married-civ-spouse",
                settled * if man { 0.78 } else { 0.24 },
            ),
            ("Divorced", settled * if man { 0.11 } else { 0.38 }),
            ("Separated", settled * if man { 0.02 } else { 0.08 }),
            ("Widowed", settled * old * if man { 0.1 } else { 0.8 }),
            ("Married-spouse-absent", 0.014 * settled),
            ("Married-AF-spouse", 0.0009),
        ];
        shares[rng.weighted(shares.iter().map(|s| s.1))].0
    }

    fn draw_relationship(rng: &mut Rng, age: f64, man: bool, marital: &str) -> &'static str {
        if marital.starts_with("Married-civ") || marital == "Married-AF-spouse" {
            let spouse = if man { "Husband" } else { "Wife" };
            return if rng.chance(0.985) {
                spouse
            } else {
                "Other-relative"
            };
        }
        let child = if marital == "Never-married" {
            hump(age, 17.0, 12.0)
        } else {
            0.03
        };
        let shares = [
            ("Own-child", child),
            ("Not-in-family", 0.55 * (1.0 - child)),
            ("Unmarried", if man { 0.12 } else { 0.38 } * (1.0 - child)),
            ("Other-relative", 0.07),
        ];
        shares[rng.weighted(shares.iter().map(|s| s.1))].0
    }

    fn draw_hours(rng: &mut Rng, age: f64, demanding: f64, workclass: &str) -> u32 {
        if rng.chance(0.42) {
            return 40;
        }
        let part_time = 12.0 * hump(age, 17.0, 7.0) + 14.0 * hump(age, 80.0, 14.0);
        let own = if workclass.starts_with("Self-emp") {
            6.0
        } else {
            0.0
        };
        let hours = 41.5 + 4.0 * demanding + own - part_time + 12.5 * rng.normal();
        // People round their hours to multiples of five.
        let hours = if rng.chance(0.7) {
            (hours / 5.0).round() * 5.0
        } else {
            hours
        };
        hours.clamp(1.0, 99.0) as u32
    }

    /// The probability of an income above 50K, which no model can predict better.
    fn probability(&self) -> f64 {
        let age = f64::from(self.age);
        let hours = f64::from(self.hours);
        let schooling = (self.education + 1) as f64;
        let couple = self.marital == "Married-civ-spouse" || self.marital == "Married-AF-spouse";
        let degree = schooling >= 13.0;
        let work = OCCUPATION[self.occupation];
        let desk = matches!(
            work.0,
            "Prof-specialty" | "Exec-managerial" | "Sales" | "Tech-support"
        );
        let own = self.workclass == "Self-emp-not-inc";
        let mut odds = -5.37;
        // Humps: neither age nor hours have a linear effect.
        odds += 2.6 * hump(age, 49.0, 17.0) - 1.9 * hump(age, 17.0, 9.0);
        odds += 1.5 * hump(hours, 54.0, 14.0) - 0.9 * hump(hours, 10.0, 16.0);
        odds += 0.16 * (schooling - 9.0) + 0.55 * hump(schooling, 15.5, 1.3);
        odds += if couple { 2.1 } else { 0.0 } + work.4 + self.gain.1 + self.loss.1;
        odds += match self.workclass {
            "Federal-gov" => 0.6,
            "Self-emp-inc" => 0.5,
            "Self-emp-not-inc" => -0.6,
            "Without-pay" | "Never-worked" => -3.0,
            _ => 0.0,
        };
        odds += if self.man { 0.15 } else { 0.0 } + if self.race == "White" { 0.1 } else { 0.0 };
        odds += if self.country == "Mexico" { -0.6 } else { 0.0 };
        // Interactions: the effect of one column depends on another.
        odds += if degree && couple { 0.9 } else { 0.0 };
        odds += if degree && desk { 0.7 } else { 0.0 };
        odds += if degree && !desk { -0.8 } else { 0.0 };
        odds += if own && hours > 47.0 { 1.0 } else { 0.0 };
        odds += if own && degree { 0.7 } else { 0.0 };
        odds += if !couple && desk && hours > 45.0 {
            1.0
        } else {
            0.0
        };
        odds += if !self.man && couple && degree {
            0.9
        } else {
            0.0
        };
        odds += if age < 32.0 && degree && desk {
            -1.1
        } else {
            0.0
        };
        1.0 / (1.0 + (-SHARPNESS * odds).exp())
    }

    /// Writes one line without its label, with the original's share of missing values.
    fn write(&self, rng: &mut Rng, text: &mut String) {
        // As in the original, occupation is missing if the employer is; this is rarer in mid-life.
        let age = f64::from(self.age);
        let unemployed =
            rng.chance(0.035 + 0.12 * hump(age, 18.0, 5.0) + 0.2 * hump(age, 75.0, 9.0));
        let workclass = if unemployed { "?" } else { self.workclass };
        let idle = unemployed || workclass == "Never-worked";
        let occupation = if idle {
            "?"
        } else {
            OCCUPATION[self.occupation].0
        };
        let country = if rng.chance(0.018) { "?" } else { self.country };
        let _ = write!(
            text,
            "{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, ",
            self.age,
            workclass,
            self.weight,
            EDUCATION[self.education].0,
            self.education + 1,
            self.marital,
            occupation,
            self.relationship,
            self.race,
            if self.man { "Male" } else { "Female" },
            self.gain.0,
            self.loss.0,
            self.hours,
            country
        );
    }
}

/// Scales all log-odds, and so determines how predictable the labels are.
const SHARPNESS: f64 = 1.2;

/// Draws a dollar amount and its effect, or 0 with probability 1 - `p`.
fn amount(rng: &mut Rng, amounts: &[(u32, f64, f64)], p: f64) -> (u32, f64) {
    if !rng.chance(p) {
        return (0, 0.0);
    }
    let (dollars, _, effect) = amounts[rng.weighted(amounts.iter().map(|a| a.1))];
    (dollars, effect)
}

#[cfg(test)]
mod tests;
