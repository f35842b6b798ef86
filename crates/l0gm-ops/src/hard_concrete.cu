// a of which z is the clipped and stretched sigmoid. Two logarithms rather than that of a quotient, which
// could overflow for u next to 1.
__device__ T logistic(T u, T log_alpha, T inverse) {
    return (log(u) - log((T)1 - u) + log_alpha) * inverse;
}

extern "C" __global__ void hard_concrete_forward(
    const T* log_alpha, const T* noise, T* z, T inverse, T gamma, T zeta, u64 width, u64 n
) {
    EACH(i, n) {
        T t = sigmoid(logistic(noise[i], log_alpha[i % width], inverse)) * (zeta - gamma) + gamma;
        t = t < (T)0 ? (T)0 : t;
        z[i] = t > (T)1 ? (T)1 : t;
    }
}

extern "C" __global__ void hard_concrete_backward(
    const T* log_alpha, const T* noise, const T* dz, T* out, T inverse, T gamma, T zeta, u64 width, u64 n
) {
    EACH(i, n) {
        T a = logistic(noise[i], log_alpha[i % width], inverse);
        T t = sigmoid(a) * (zeta - gamma) + gamma;
        bool inside = t > (T)0 && t < (T)1;
        out[i] = dz[i] * (inside ? (zeta - gamma) * sigmoid_slope(a) * inverse : (T)0);
    }
}
