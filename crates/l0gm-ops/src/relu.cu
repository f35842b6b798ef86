extern "C" __global__ void relu_forward(const T* x, T* y, T, u64 n) {
    EACH(i, n) y[i] = x[i] < (T)0 ? (T)0 : x[i];
}

extern "C" __global__ void relu_backward(const T* x, const T* dy, T* dx, T, u64 n) {
    EACH(i, n) dx[i] = x[i] > (T)0 ? dy[i] : (T)0 * dy[i];
}
