// y[row, m, j] = x[row, (m,) j] * scale[m, j]
extern "C" __global__ void members_scale(const T* x, const T* scale, T* y, u64 members, u64 width, u64 shared, u64 n) {
    u64 all = members * width;
    EACH(i, n) y[i] = x[shared ? i / all * width + i % width : i] * scale[i % all];
}

// z[row, m, j] = x[row, (m,) j] * dy[row, m, j]
extern "C" __global__ void members_product(const T* x, const T* dy, T* z, u64 members, u64 width, u64 shared, u64 n) {
    u64 all = members * width;
    EACH(i, n) z[i] = x[shared ? i / all * width + i % width : i] * dy[i];
}

// dx[row, j] = sum over m of dy[row, m, j] * scale[m, j]
extern "C" __global__ void members_sum(const T* dy, const T* scale, T* dx, u64 members, u64 width, u64 n) {
    EACH(i, n) {
        T sum = 0;
        for (u64 m = 0; m < members; m++)
            sum += dy[(i / width * members + m) * width + i % width] * scale[m * width + i % width];
        dx[i] = sum;
    }
}
