//! Builds an inner loop for several instruction sets and chooses one at run time. So the crate needs no `target-cpu`
//! flag and still uses 512-bit registers where the machine has them. The constant `FMA` tells a body whether a
//! product and a sum may be rounded together ([`Real::fma`](super::Real::fma)). They are with AVX2 and with AVX-512,
//! which therefore give the same bits. On a machine with neither (nearly none built after 2013), the bits differ in
//! the last place.

/// The widest instruction set of this machine among those for which the loops are built.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// The instruction set that every x86-64 machine has.
    Baseline,
    /// AVX2 with 256-bit registers.
    Avx2,
    /// AVX-512 with 512-bit registers.
    Avx512,
}

/// Detects the level of the processor. The standard library caches the answer.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn level() -> Level {
    let avx2 = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw");
    match (avx2, avx512) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Baseline,
    }
}

/// Defines a function whose body is compiled for each [`Level`]. A call picks the widest one. Everything that the
/// body calls must be `#[inline(always)]`, otherwise it stays at the baseline.
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$($T:ident: $bound:path),+>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $crate::kernel::simd::multiversion!(@ [$(#[$meta])*] [$vis] $name [$($T: $bound),+] [$($T),+] [$($arg: $ty),*] [$($arg),*] [$(-> $ret)?] $body);
    };
    (@ [$($meta:tt)*] [$vis:vis] $name:ident [$($generics:tt)*] [$($T:ident),+] [$($parameters:tt)*] [$($arg:ident),*] [$($ret:tt)*] $body:block) => {
        // A body has as many arguments as a fused kernel has inputs.
        #[allow(clippy::too_many_arguments)]
        $($meta)*
        $vis fn $name<$($generics)*>($($parameters)*) $($ret)* {
            #[allow(clippy::too_many_arguments)]
            #[inline(always)]
            fn body<$($generics)*, const FMA: bool>($($parameters)*) $($ret)* $body

            #[cfg(target_arch = "x86_64")]
            {
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,bmi1,bmi2")]
                fn avx512<$($generics)*>($($parameters)*) $($ret)* {
                    body::<$($T),+, true>($($arg),*)
                }
                #[allow(clippy::too_many_arguments)]
                #[target_feature(enable = "avx2,fma,bmi1,bmi2")]
                fn avx2<$($generics)*>($($parameters)*) $($ret)* {
                    body::<$($T),+, true>($($arg),*)
                }
                match $crate::kernel::simd::level() {
                    // SAFETY: the features this build may use were just found on this machine.
                    $crate::kernel::simd::Level::Avx512 => return unsafe { avx512::<$($T),+>($($arg),*) },
                    // SAFETY: as above.
                    $crate::kernel::simd::Level::Avx2 => return unsafe { avx2::<$($T),+>($($arg),*) },
                    $crate::kernel::simd::Level::Baseline => {}
                }
            }
            body::<$($T),+, { cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}
pub(crate) use multiversion;
