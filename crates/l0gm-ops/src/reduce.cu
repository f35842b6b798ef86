// dx[o, j, i] = dy[o, i]
extern "C" __global__ void sum_backward(const T* dy, T* dx, u64 along, u64 inner, u64 n) {
    EACH(at, n) dx[at] = dy[at / inner / along * inner + at % inner];
}
