extern "C" __global__ void silu_forward(const T* x, T* y, T, u64 n) {
    EACH(i, n) y[i] = x[i] * sigmoid(x[i]);
}

extern "C" __global__ void silu_backward(const T* x, const T* dy, T* dx, T, u64 n) {
    EACH(i, n) dx[i] = (sigmoid(x[i]) + x[i] * sigmoid_slope(x[i])) * dy[i];
}
