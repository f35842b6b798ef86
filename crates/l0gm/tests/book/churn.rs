//! Makes the two tables of customers in `docs/data`. Nobody in them exists: every cell is drawn here, from a fixed seed.

/// A customer's household, when it joined, what it uses, and whether it left.
const HEADER: &str = "customer,household,joined,plan,region,payment,monthly_fee,hours_used,tickets,late_payments,newsletter";

/// splitmix64: the same numbers on every machine.
struct Draw(u64);

impl Draw {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// About normal, with mean 0 and deviation 1: the sum of twelve uniform numbers, which needs no logarithm.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// `rows` customers from number `first` on; with the label where `labelled`.
pub(crate) fn table(first: u64, rows: u64, labelled: bool) -> String {
    let mut draw = Draw(first);
    let households: Vec<f64> = (0..rows / 4).map(|_| 1.5 * draw.normal()).collect();
    let mut text = HEADER.to_owned() + if labelled { ",left\n" } else { "\n" };
    for row in 0..rows {
        let household = draw.below(households.len() as u64);
        let month = draw.below(60);
        let plan = [0, 0, 0, 1, 1, 2][draw.below(6) as usize];
        let payment = draw.below(3) as usize;
        let fee = [9.9, 19.9, 34.9][plan] - 2.0 * draw.below(2) as f64;
        let hours = (12.0 + 6.0 * plan as f64 + 9.0 * draw.normal()).max(0.0);
        let tickets = draw.below(4) * draw.below(2);
        let late = draw.below(3) * draw.below(2);
        let score = -2.9 - 0.16 * (hours - 14.0) + 0.7 * tickets as f64 + 0.9 * late as f64
            - 0.8 * plan as f64
            + [0.7, 0.0, -0.7][payment]
            + if month >= 48 { 0.8 } else { 0.0 }
            + households[household as usize];
        // Some meters were not read.
        let meter = match draw.below(25) {
            0 => String::new(),
            _ => format!("{hours:.1}"),
        };
        text += &format!(
            "c{:05},h{:04},{}-{:02}-{:02},{},{},{},{fee:.2},{meter},{tickets},{late},{}",
            first + row,
            first / 4 + household,
            2020 + month / 12,
            1 + month % 12,
            1 + draw.below(28),
            ["basic", "plus", "pro"][plan],
            ["north", "south", "east", "west"][draw.below(4) as usize],
            ["invoice", "card", "debit"][payment],
            ["no", "yes"][draw.below(2) as usize],
        );
        let left = draw.uniform() < 1.0 / (1.0 + (-score).exp());
        text += match (labelled, left) {
            (false, _) => "\n",
            (true, true) => ",yes\n",
            (true, false) => ",no\n",
        };
    }
    text
}
