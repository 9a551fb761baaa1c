// hnswlib 0.8.0 behind the C interface of peer_hnswlib.h.

#include "peer_hnswlib.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>

#include <hnswlib/hnswlib.h>

struct peer_hnsw {
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
};

namespace {

[[noreturn]] void fail(const std::exception &error)
{
    std::fprintf(stderr, "hnswlib: %s\n", error.what());
    std::exit(1);
}

std::unique_ptr<hnswlib::SpaceInterface<float>> make_space(size_t dims, bool inner)
{
    if (inner) return std::make_unique<hnswlib::InnerProductSpace>(dims);
    return std::make_unique<hnswlib::L2Space>(dims);
}

class Accept : public hnswlib::BaseFilterFunctor {
  public:
    Accept(bool (*accept)(void *, uint64_t), void *context) : accept_(accept), context_(context) {}
    bool operator()(hnswlib::labeltype label) override { return accept_(context_, label); }

  private:
    bool (*accept_)(void *, uint64_t);
    void *context_;
};

} // namespace

peer_hnsw *peer_hnsw_new(size_t dims, bool inner, size_t rows, size_t m, size_t ef_construction)
try {
    auto peer = std::make_unique<peer_hnsw>();
    peer->space = make_space(dims, inner);
    peer->graph = std::make_unique<hnswlib::HierarchicalNSW<float>>(peer->space.get(), rows, m,
                                                                    ef_construction);
    return peer.release();
} catch (const std::exception &error) {
    fail(error);
}

peer_hnsw *peer_hnsw_load(const char *path, size_t dims, bool inner)
try {
    auto peer = std::make_unique<peer_hnsw>();
    peer->space = make_space(dims, inner);
    peer->graph =
        std::make_unique<hnswlib::HierarchicalNSW<float>>(peer->space.get(), std::string(path));
    return peer.release();
} catch (const std::exception &error) {
    fail(error);
}

void peer_hnsw_save(peer_hnsw *peer, const char *path)
try {
    peer->graph->saveIndex(path);
} catch (const std::exception &error) {
    fail(error);
}

void peer_hnsw_add(peer_hnsw *peer, const float *vector, uint64_t key)
try {
    peer->graph->addPoint(vector, key);
} catch (const std::exception &error) {
    fail(error);
}

size_t peer_hnsw_search(peer_hnsw *peer, const float *query, size_t k, size_t ef,
                        bool (*accept)(void *, uint64_t), void *context, uint64_t *keys)
try {
    peer->graph->setEf(ef);
    Accept filter(accept, context);
    auto found = peer->graph->searchKnn(query, k, accept ? &filter : nullptr);
    size_t count = found.size();
    for (size_t i = count; i-- > 0;) {
        keys[i] = found.top().second;
        found.pop();
    }
    return count;
} catch (const std::exception &error) {
    fail(error);
}

size_t peer_hnsw_bytes(const peer_hnsw *peer)
{
    const auto &graph = *peer->graph;
    size_t bytes = graph.cur_element_count * graph.size_data_per_element_;
    for (size_t i = 0; i < graph.cur_element_count; i++) {
        bytes += sizeof(char *);
        if (graph.element_levels_[i] > 0) {
            bytes += graph.size_links_per_element_ * static_cast<size_t>(graph.element_levels_[i]);
        }
    }
    return bytes;
}

void peer_hnsw_free(peer_hnsw *peer)
{
    delete peer;
}
