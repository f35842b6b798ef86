// A thread an entry of the result: neighbouring threads read neighbouring columns of the same rows.
extern "C" __global__ void csr_matmul(
    const u32* indptr, const u32* indices, const float* values, const T* x, T* y, u64 width, u64 n
) {
    EACH(i, n) {
        u64 row = i / width, column = i % width;
        T total = 0;
        for (u32 entry = indptr[row]; entry < indptr[row + 1]; entry++) {
            total += (T)values[entry] * x[indices[entry] * width + column];
        }
        y[i] = total;
    }
}
