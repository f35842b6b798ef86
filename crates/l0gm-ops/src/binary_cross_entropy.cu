extern "C" __global__ void binary_cross_entropy_forward(
    const T* x, const T* targets, T* losses, u64 n
) {
    EACH(i, n) {
        T positive = x[i] > (T)0 ? x[i] : (T)0;
        losses[i] = (positive - x[i] * targets[i]) + log1p(exp(-fabs(x[i])));
    }
}

// `dloss` is one value, the gradient of the mean.
extern "C" __global__ void binary_cross_entropy_backward(
    const T* x, const T* targets, const T* dloss, T* dx, u64 n
) {
    EACH(i, n) dx[i] = (sigmoid(x[i]) - targets[i]) * (dloss[0] / (T)n);
}
