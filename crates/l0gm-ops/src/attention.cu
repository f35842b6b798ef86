// Query i of one example and head; tasks are numbered example by example, head by head. Q, K and V are
// (batch, length, heads, dim); `open` is null or (batch, keys), 1 = attend.
struct Heads {
    u64 length, keys, heads, dim;
    __device__ u64 query(u64 task, u64 i) const {
        return ((task / heads * length + i) * heads + task % heads) * dim;
    }
    __device__ u64 key(u64 task, u64 j) const {
        return ((task / heads * keys + j) * heads + task % heads) * dim;
    }
};

__device__ T dot(const T* a, const T* b, u64 dim) {
    T total = 0;
    for (u64 d = 0; d < dim; d++) total += a[d] * b[d];
    return total;
}

// The factor that dropout gives to weight (i, j) of a task.
__device__ T kept(Heads s, u64 task, u64 i, u64 j, u64 noise, u64 first, u64 threshold, T keep) {
    return draw(noise, first + (task * s.length + i) * s.keys + j) >= threshold ? keep : (T)0;
}

// The largest of q.k and 1 / the sum of exp((q.k - largest) * scale) of each query; a block a query. A query
// without an open key gets 0 for the latter. Products are compared before they are scaled: the compiler rounds
// "q.k * scale - largest" once, and a largest that was rounded before would not cancel.
extern "C" __global__ void attention_rows(
    const T* q, const T* k, const u8* open, T* largest, T* inverse,
    u64 length, u64 keys, u64 heads, u64 dim, T scale
) {
    Heads s = {length, keys, heads, dim};
    u64 task = blockIdx.x / length, i = blockIdx.x % length;
    const T* query = q + s.query(task, i);
    T max = lowest(), any = 0;
    ACROSS(j, keys) {
        if (open && !open[task / heads * keys + j]) continue;
        any = 1;
        T product = dot(query, k + s.key(task, j), dim);
        if (product > max) max = product;
    }
    max = block_max(max);
    any = block_max(any);
    T total = 0;
    ACROSS(j, keys) {
        if (open && !open[task / heads * keys + j]) continue;
        total += exp((dot(query, k + s.key(task, j), dim) - max) * scale);
    }
    total = block_sum(total);
    if (threadIdx.x == 0) {
        largest[blockIdx.x] = max;
        inverse[blockIdx.x] = any == (T)0 ? (T)0 : (T)1 / total;
    }
}

// The weight of key j for query i before dropout. 0 where nothing is attended to.
__device__ T weight(
    Heads s, const T* q, const T* k, const u8* open, const T* largest, const T* inverse,
    u64 task, u64 i, u64 j, T scale
) {
    if (open && !open[task / s.heads * s.keys + j]) return (T)0;
    T product = dot(q + s.query(task, i), k + s.key(task, j), s.dim);
    return exp((product - largest[task * s.length + i]) * scale) * inverse[task * s.length + i];
}

// A block a query.
extern "C" __global__ void attention_forward(
    const T* q, const T* k, const T* v, const u8* open, const T* largest, const T* inverse, T* y,
    u64 length, u64 keys, u64 heads, u64 dim, T scale, u64 noise, u64 first, u64 threshold, T keep
) {
    __shared__ T tile[THREADS];
    Heads s = {length, keys, heads, dim};
    u64 task = blockIdx.x / length, i = blockIdx.x % length;
    T* out = y + s.query(task, i);
    ACROSS(d, dim) out[d] = 0;
    for (u64 start = 0; start < keys; start += THREADS) {
        u64 j = start + threadIdx.x;
        __syncthreads();
        tile[threadIdx.x] = j >= keys ? (T)0
            : weight(s, q, k, open, largest, inverse, task, i, j, scale)
                * kept(s, task, i, j, noise, first, threshold, keep);
        __syncthreads();
        u64 count = keys - start < THREADS ? keys - start : THREADS;
        ACROSS(d, dim) {
            T total = out[d];
            for (u64 t = 0; t < count; t++) total += tile[t] * v[s.key(task, start + t) + d];
            out[d] = total;
        }
    }
}

// rowsum(dP P) = <dy, y> of each query; a thread a query.
extern "C" __global__ void attention_row_dots(
    const T* y, const T* dy, T* dots, u64 length, u64 heads, u64 dim, u64 n
) {
    EACH(at, n) {
        u64 task = at / length, i = at % length;
        u64 start = ((task / heads * length + i) * heads + task % heads) * dim;
        dots[at] = dot(y + start, dy + start, dim);
    }
}

// dQ; a block a query.
extern "C" __global__ void attention_backward_q(
    const T* q, const T* k, const T* v, const u8* open, const T* largest, const T* inverse,
    const T* dots, const T* dy, T* dq,
    u64 length, u64 keys, u64 heads, u64 dim, T scale, u64 noise, u64 first, u64 threshold, T keep
) {
    __shared__ T tile[THREADS];
    Heads s = {length, keys, heads, dim};
    u64 task = blockIdx.x / length, i = blockIdx.x % length;
    T* out = dq + s.query(task, i);
    ACROSS(d, dim) out[d] = 0;
    for (u64 start = 0; start < keys; start += THREADS) {
        u64 j = start + threadIdx.x;
        T ds = 0;
        if (j < keys) {
            T p = weight(s, q, k, open, largest, inverse, task, i, j, scale);
            T dp = dot(dy + s.query(task, i), v + s.key(task, j), dim)
                * kept(s, task, i, j, noise, first, threshold, keep);
            ds = p * (dp - dots[blockIdx.x]) * scale;
        }
        __syncthreads();
        tile[threadIdx.x] = ds;
        __syncthreads();
        u64 count = keys - start < THREADS ? keys - start : THREADS;
        ACROSS(d, dim) {
            T total = out[d];
            for (u64 t = 0; t < count; t++) total += tile[t] * k[s.key(task, start + t) + d];
            out[d] = total;
        }
    }
}

// dK and dV; a block a key.
extern "C" __global__ void attention_backward_kv(
    const T* q, const T* k, const T* v, const u8* open, const T* largest, const T* inverse,
    const T* dots, const T* dy, T* dk, T* dv,
    u64 length, u64 keys, u64 heads, u64 dim, T scale, u64 noise, u64 first, u64 threshold, T keep
) {
    __shared__ T scores[THREADS];
    __shared__ T weights[THREADS];
    Heads s = {length, keys, heads, dim};
    u64 task = blockIdx.x / keys, j = blockIdx.x % keys;
    T* out_k = dk + s.key(task, j);
    T* out_v = dv + s.key(task, j);
    ACROSS(d, dim) {
        out_k[d] = 0;
        out_v[d] = 0;
    }
    for (u64 start = 0; start < length; start += THREADS) {
        u64 i = start + threadIdx.x;
        T ds = 0, w = 0;
        if (i < length) {
            T p = weight(s, q, k, open, largest, inverse, task, i, j, scale);
            T factor = kept(s, task, i, j, noise, first, threshold, keep);
            T dp = dot(dy + s.query(task, i), v + s.key(task, j), dim) * factor;
            ds = p * (dp - dots[task * length + i]) * scale;
            w = p * factor;
        }
        __syncthreads();
        scores[threadIdx.x] = ds;
        weights[threadIdx.x] = w;
        __syncthreads();
        u64 count = length - start < THREADS ? length - start : THREADS;
        ACROSS(d, dim) {
            T total_k = out_k[d], total_v = out_v[d];
            for (u64 t = 0; t < count; t++) {
                total_k += scores[t] * q[s.query(task, start + t) + d];
                total_v += weights[t] * dy[s.query(task, start + t) + d];
            }
            out_k[d] = total_k;
            out_v[d] = total_v;
        }
    }
}
