extern "C" __global__ void bias_forward(const T* x, const T* bias, T* y, u64 width, u64 n) {
    EACH(i, n) y[i] = x[i] + bias[i % width];
}
