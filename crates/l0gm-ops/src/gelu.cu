// Phi(x); erfc keeps the negative tail's digits.
__device__ T normal_distribution(T x) { return (T)0.5 * erfc(-x * (T)0.70710678118654752440); }
__device__ T normal_density(T x) { return (T)0.39894228040143267794 * exp((T)-0.5 * x * x); }

extern "C" __global__ void gelu_forward(const T* x, T* y, T, u64 n) {
    EACH(i, n) y[i] = x[i] * normal_distribution(x[i]);
}

extern "C" __global__ void gelu_backward(const T* x, const T* dy, T* dx, T, u64 n) {
    EACH(i, n) dx[i] = (normal_distribution(x[i]) + x[i] * normal_density(x[i])) * dy[i];
}

// The polynomial of 2 u is x (LINEAR + CUBIC x^2).
#define LINEAR ((T)1.5957691216057307)
#define CUBIC ((T)(0.044715 * 1.5957691216057307))

extern "C" __global__ void gelu_tanh_forward(const T* x, T* y, T, u64 n) {
    EACH(i, n) y[i] = x[i] * sigmoid(x[i] * (LINEAR + CUBIC * x[i] * x[i]));
}

extern "C" __global__ void gelu_tanh_backward(const T* x, const T* dy, T* dx, T, u64 n) {
    EACH(i, n) {
        T square = x[i] * x[i];
        T inside = x[i] * (LINEAR + CUBIC * square);
        T slope = sigmoid_slope(inside);
        // Far out the slope is 0 and the polynomial may be infinite.
        T inner = slope == (T)0 ? (T)0 : x[i] * (LINEAR + (T)3 * CUBIC * square);
        dx[i] = (sigmoid(inside) + slope * inner) * dy[i];
    }
}
