extern "C" __global__ void adamw_update(
    T* p, const T* gradient, T* m, T* v,
    T scale, T beta1, T rest1, T beta2, T rest2, T keep, T rate, T inverse_correction2, T epsilon, u64 n
) {
    EACH(i, n) {
        T g = gradient[i] * scale;
        m[i] = m[i] * beta1 + g * rest1;
        v[i] = v[i] * beta2 + g * g * rest2;
        T root = sqrt(v[i] * inverse_correction2) + epsilon;
        p[i] = p[i] * keep - rate * m[i] / root;
    }
}
