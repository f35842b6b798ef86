extern "C" __global__ void open_probability_forward(const T* x, T* y, T shift, u64 n) {
    EACH(i, n) y[i] = sigmoid(x[i] - shift);
}

extern "C" __global__ void open_probability_backward(const T* x, const T* dy, T* dx, T shift, u64 n) {
    EACH(i, n) dx[i] = sigmoid_slope(x[i] - shift) * dy[i];
}
