//! The source of all kernels as one text, because they share helpers and are compiled together.

/// The text in which `T` stands for `scalar`, which is `float` or `double`.
pub fn source(scalar: &str) -> String {
    let parts = [
        include_str!("prelude.cu"),
        include_str!("../relu.cu"),
        include_str!("../silu.cu"),
        include_str!("../gelu.cu"),
        include_str!("../open_probability.cu"),
        include_str!("../kernel/pairs.cu"),
        include_str!("../bias.cu"),
        include_str!("../scale_members.cu"),
        include_str!("../layer_norm.cu"),
        include_str!("../rms_norm.cu"),
        include_str!("../softmax.cu"),
        include_str!("../log_softmax.cu"),
        include_str!("../cross_entropy.cu"),
        include_str!("../binary_cross_entropy.cu"),
        include_str!("../dropout.cu"),
        include_str!("../embedding.cu"),
        include_str!("../reduce.cu"),
        include_str!("../hard_concrete.cu"),
        include_str!("../csr.cu"),
        include_str!("../csr_max.cu"),
        include_str!("../edge_softmax.cu"),
        include_str!("../edge_sum.cu"),
        include_str!("../segment.cu"),
        include_str!("../interaction.cu"),
        include_str!("../attention.cu"),
        include_str!("../norm.cu"),
        include_str!("../adamw.cu"),
    ];
    format!("typedef {scalar} T;\n{}", parts.join("\n"))
}
