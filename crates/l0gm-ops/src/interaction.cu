// out[b, k, d] = sum_ij weight[k, i, j] x[b, i, d] y[b, j, d]; a thread an entry of the result.
extern "C" __global__ void interaction_forward(
    const T* x, const T* y, const T* weight, T* out, u64 m, u64 n, u64 dim, u64 maps, u64 items
) {
    EACH(at, items) {
        u64 d = at % dim, k = at / dim % maps, b = at / dim / maps;
        T total = 0;
        for (u64 i = 0; i < m; i++) {
            T inner = 0;
            for (u64 j = 0; j < n; j++) inner += weight[(k * m + i) * n + j] * y[(b * n + j) * dim + d];
            total += inner * x[(b * m + i) * dim + d];
        }
        out[at] = total;
    }
}

// dx[b, i, d] = sum_jk weight[k, i, j] y[b, j, d] g[b, k, d]
extern "C" __global__ void interaction_backward_x(
    const T* y, const T* weight, const T* g, T* dx, u64 m, u64 n, u64 dim, u64 maps, u64 items
) {
    EACH(at, items) {
        u64 d = at % dim, i = at / dim % m, b = at / dim / m;
        T total = 0;
        for (u64 k = 0; k < maps; k++) {
            T inner = 0;
            for (u64 j = 0; j < n; j++) inner += weight[(k * m + i) * n + j] * y[(b * n + j) * dim + d];
            total += inner * g[(b * maps + k) * dim + d];
        }
        dx[at] = total;
    }
}

// dy[b, j, d] = sum_ik weight[k, i, j] x[b, i, d] g[b, k, d]
extern "C" __global__ void interaction_backward_y(
    const T* x, const T* weight, const T* g, T* dy, u64 m, u64 n, u64 dim, u64 maps, u64 items
) {
    EACH(at, items) {
        u64 d = at % dim, j = at / dim % n, b = at / dim / n;
        T total = 0;
        for (u64 k = 0; k < maps; k++) {
            T inner = 0;
            for (u64 i = 0; i < m; i++) inner += weight[(k * m + i) * n + j] * x[(b * m + i) * dim + d];
            total += inner * g[(b * maps + k) * dim + d];
        }
        dy[at] = total;
    }
}

// dweight[k, i, j] = sum_bd g[b, k, d] x[b, i, d] y[b, j, d]; a block an entry.
extern "C" __global__ void interaction_backward_weight(
    const T* x, const T* y, const T* g, T* dweight, u64 batch, u64 m, u64 n, u64 dim, u64 maps
) {
    u64 j = blockIdx.x % n, i = blockIdx.x / n % m, k = blockIdx.x / n / m;
    T total = 0;
    ACROSS(at, batch * dim) {
        u64 d = at % dim, b = at / dim;
        total += g[(b * maps + k) * dim + d] * x[(b * m + i) * dim + d] * y[(b * n + j) * dim + d];
    }
    total = block_sum(total);
    if (threadIdx.x == 0) dweight[blockIdx.x] = total;
}
