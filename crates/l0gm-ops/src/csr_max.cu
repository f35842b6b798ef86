extern "C" __global__ void csr_max_forward(
    const u32* indptr, const u32* indices, const T* x, T* y, u64 width, u64 n
) {
    EACH(i, n) {
        u64 row = i / width, column = i % width;
        T max = 0;
        for (u32 entry = indptr[row]; entry < indptr[row + 1]; entry++) {
            T value = x[indices[entry] * width + column];
            if (entry == indptr[row] || value > max || value != value) max = value;
        }
        y[i] = max;
    }
}

// The first neighbour that has the row's maximum.
extern "C" __global__ void csr_max_largest(
    const u32* indptr, const u32* indices, const T* x, const T* y, u32* found, u64 width, u64 n
) {
    EACH(i, n) {
        u64 row = i / width, column = i % width;
        u32 largest = 0xffffffffu;
        for (u32 entry = indptr[row]; entry < indptr[row + 1]; entry++) {
            T value = x[indices[entry] * width + column];
            if (value == y[i] || (value != value && y[i] != y[i])) {
                largest = indices[entry];
                break;
            }
        }
        found[i] = largest;
    }
}

// Over the transposed matrix.
extern "C" __global__ void csr_max_backward(
    const u32* indptr, const u32* indices, const u32* found, const T* dy, T* dx, u64 width, u64 n
) {
    EACH(i, n) {
        u64 row = i / width, column = i % width;
        u32 before = 0xffffffffu;
        T total = 0;
        for (u32 entry = indptr[row]; entry < indptr[row + 1]; entry++) {
            u32 neighbour = indices[entry];
            // An entry that is stored twice counts once.
            if (neighbour != before && found[neighbour * width + column] == row) {
                total += dy[neighbour * width + column];
            }
            before = neighbour;
        }
        dx[i] = total;
    }
}
