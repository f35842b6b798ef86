extern "C" __global__ void binary_cross_entropy_forward(
    const T* x, const T* targets, T* losses, u64 n
) {
    EACH(i, n) {
        T size = fabs(x[i]), share = x[i] > (T)0 ? (T)1 - targets[i] : targets[i];
        losses[i] = (share == (T)0 ? (T)0 : size * share) + log1p(exp(-size));
    }
}

// `dloss` is one value, the gradient of the mean.
extern "C" __global__ void binary_cross_entropy_backward(
    const T* x, const T* targets, const T* dloss, T* dx, u64 n
) {
    EACH(i, n) dx[i] = (sigmoid(x[i]) - targets[i]) * (dloss[0] / (T)n);
}
