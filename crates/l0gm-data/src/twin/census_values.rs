//! The values of the census twin: UCI Adult's category names, with approximately their shares.

/// Categories with their shares.
pub(super) type Shares = [(&'static str, f64)];

pub(super) const WORKCLASS: [(&str, f64); 8] = [
    ("Private", 0.739),
    ("Self-emp-not-inc", 0.083),
    ("Local-gov", 0.068),
    ("State-gov", 0.042),
    ("Self-emp-inc", 0.036),
    ("Federal-gov", 0.031),
    ("Without-pay", 0.0006),
    ("Never-worked", 0.0004),
];

/// Ordered by education-num, which is 1 + the position.
pub(super) const EDUCATION: [(&str, f64); 16] = [
    ("Preschool", 0.0016),
    ("1st-4th", 0.0052),
    ("5th-6th", 0.0102),
    ("7th-8th", 0.0198),
    ("9th", 0.0158),
    ("10th", 0.0287),
    ("11th", 0.0361),
    ("12th", 0.0133),
    ("HS-grad", 0.3225),
    ("Some-college", 0.2239),
    ("Assoc-voc", 0.0424),
    ("Assoc-acdm", 0.0328),
    ("Bachelors", 0.1645),
    ("Masters", 0.0529),
    ("Prof-school", 0.0177),
    ("Doctorate", 0.0127),
];

/// Name; share; typical education-num; share of men; contribution to the log-odds.
pub(super) const OCCUPATION: [(&str, f64, f64, f64, f64); 14] = [
    ("Prof-specialty", 0.135, 13.5, 0.64, 0.45),
    ("Craft-repair", 0.134, 9.0, 0.95, 0.05),
    ("Exec-managerial", 0.133, 12.0, 0.72, 0.85),
    ("Adm-clerical", 0.123, 10.0, 0.33, -0.05),
    ("Sales", 0.119, 10.5, 0.65, 0.3),
    ("Other-service", 0.108, 8.5, 0.45, -0.95),
    ("Machine-op-inspct", 0.066, 8.5, 0.73, -0.4),
    ("Transport-moving", 0.052, 8.8, 0.94, -0.15),
    ("Handlers-cleaners", 0.045, 8.5, 0.88, -0.8),
    ("Farming-fishing", 0.033, 8.5, 0.93, -1.1),
    ("Tech-support", 0.03, 11.5, 0.63, 0.6),
    ("Protective-serv", 0.021, 10.5, 0.88, 0.5),
    ("Priv-house-serv", 0.005, 7.0, 0.06, -1.5),
    ("Armed-Forces", 0.0003, 10.5, 0.99, 0.0),
];

pub(super) const RACE: [(&str, f64); 5] = [
    ("White", 0.854),
    ("Black", 0.096),
    ("Asian-Pac-Islander", 0.032),
    ("Amer-Indian-Eskimo", 0.0096),
    ("Other", 0.0084),
];

pub(super) const COUNTRY: [(&str, f64); 41] = [
    ("United-States", 0.912),
    ("Mexico", 0.02),
    ("Philippines", 0.0062),
    ("Germany", 0.0043),
    ("Canada", 0.0038),
    ("Puerto-Rico", 0.0036),
    ("El-Salvador", 0.0033),
    ("India", 0.0031),
    ("Cuba", 0.003),
    ("England", 0.0028),
    ("Jamaica", 0.0025),
    ("South", 0.0025),
    ("China", 0.0023),
    ("Italy", 0.0023),
    ("Dominican-Republic", 0.0022),
    ("Vietnam", 0.0021),
    ("Guatemala", 0.002),
    ("Japan", 0.0019),
    ("Poland", 0.0019),
    ("Columbia", 0.0018),
    ("Taiwan", 0.0016),
    ("Haiti", 0.0014),
    ("Iran", 0.0013),
    ("Portugal", 0.0012),
    ("Nicaragua", 0.0011),
    ("Peru", 0.001),
    ("France", 0.0009),
    ("Greece", 0.0009),
    ("Ecuador", 0.0009),
    ("Ireland", 0.0008),
    ("Hong", 0.0006),
    ("Trinadad&Tobago", 0.0006),
    ("Cambodia", 0.0006),
    ("Thailand", 0.0006),
    ("Laos", 0.0006),
    ("Yugoslavia", 0.0005),
    ("Outlying-US(Guam-USVI-etc)", 0.0004),
    ("Honduras", 0.0004),
    ("Hungary", 0.0004),
    ("Scotland", 0.0004),
    ("Holand-Netherlands", 0.0001),
];

/// Dollars, share among those with a gain, and contribution to the log-odds. As in the original, the effect does not
/// rise or fall steadily with the amount, because of the rules of tax forms.
pub(super) const CAPITAL_GAIN: [(u32, f64, f64); 22] = [
    (15024, 0.13, 5.0),
    (7688, 0.105, 5.0),
    (7298, 0.09, 5.0),
    (99999, 0.06, 6.0),
    (5178, 0.036, 4.5),
    (3103, 0.035, 4.0),
    (4386, 0.026, 3.0),
    (8614, 0.02, 4.5),
    (10520, 0.016, 4.5),
    (14084, 0.015, 4.5),
    (27828, 0.013, 5.0),
    (2885, 0.02, -3.5),
    (5013, 0.03, -4.0),
    (3325, 0.025, -4.0),
    (2174, 0.03, -3.5),
    (4064, 0.03, -4.0),
    (4650, 0.03, -3.0),
    (3137, 0.025, -3.5),
    (594, 0.03, -2.5),
    (3908, 0.025, -3.5),
    (6849, 0.02, -3.5),
    (1055, 0.02, -3.0),
];

/// Dollars, share among those with a loss, and contribution to the log-odds.
pub(super) const CAPITAL_LOSS: [(u32, f64, f64); 14] = [
    (1902, 0.2, 3.5),
    (1977, 0.17, 3.5),
    (1887, 0.16, 3.5),
    (1848, 0.05, 3.0),
    (2415, 0.05, 3.0),
    (1485, 0.05, 1.5),
    (1602, 0.06, -3.0),
    (1740, 0.06, -2.5),
    (1590, 0.06, -2.5),
    (1876, 0.05, -2.5),
    (1672, 0.05, -2.5),
    (2001, 0.04, -3.0),
    (1719, 0.04, -2.5),
    (625, 0.03, -2.0),
];
