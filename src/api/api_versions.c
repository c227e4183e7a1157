/* ApiVersions, versions 0 to 5: what this listener serves, and the features of the cluster. Asked
 * first on every connection, also in versions that only newer clients know. Wherever it reports an
 * error it names no API, but for the unsupported version, which names this one. On the request's
 * shard. */
#include "api/handlers.h"
#include "config/node.h"
#include "meta/features.h"
#include "meta/image.h"
#include "tbl/errors.h"
#include "wire/msg/api_versions_request.h"
#include "wire/msg/api_versions_response.h"

#define VERSION_SOFTWARE_NAMED 3     /* KIP-511 */
#define VERSION_FEATURES_FROM_ZERO 4 /* KAFKA-17492 */
#define VERSION_CLUSTER_NAMED 5      /* KIP-1242 */

static bool is_alphanumeric(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* KIP-511: letters, digits, '-' and '.', the first and the last a letter or digit. */
static bool software_is_valid(struct slice text)
{
    if (text.size == 0 || !is_alphanumeric(text.data[0]) ||
        !is_alphanumeric(text.data[text.size - 1]))
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!is_alphanumeric(text.data[i]) && text.data[i] != '-' && text.data[i] != '.')
            return false;
    return true;
}

static enum err check(const struct api_request *request, const struct api_versions_request *message)
{
    int16_t version = request->header.api_version;
    if (version < VERSION_SOFTWARE_NAMED)
        return ERR_NONE;
    if (!software_is_valid(message->client_software_name) ||
        !software_is_valid(message->client_software_version))
        return ERR_INVALID_REQUEST;
    if (version < VERSION_CLUSTER_NAMED)
        return ERR_NONE;
    bool names_cluster = !slice_is_null(message->cluster_id);
    if (!names_cluster && message->node_id == -1)
        return ERR_NONE;
    /* KIP-1242: both or none. */
    if (!names_cluster || message->node_id < 0)
        return ERR_INVALID_REQUEST;
    bool is_this = slice_is(message->cluster_id, request->here->cluster_id) &&
                   message->node_id == request->here->config->node_id;
    return is_this ? ERR_NONE : ERR_REBOOTSTRAP_REQUIRED;
}

static struct api_versions_response_api_keys key_of(const struct api_row *row)
{
    return (struct api_versions_response_api_keys){
        .api_key = row->key,
        .min_version = row->advertised_min,
        .max_version = row->version_max,
    };
}

/* On a controller's listener only this API is served. */
static bool is_served(const struct api_request *request, const struct api_row *row)
{
    bool on_controller = request->client != NULL && request->client->listener->is_controller;
    return !on_controller || row->key == API_API_VERSIONS;
}

static bool add_keys(struct api_request *request, struct api_versions_response *response)
{
    size_t count;
    const struct api_row *rows = api_rows(&count);
    response->api_keys = ARENA_ARRAY(&request->arena, struct api_versions_response_api_keys, count);
    if (response->api_keys == NULL)
        return false;
    int32_t served = 0;
    for (size_t i = 0; i < count; i++)
        if (is_served(request, &rows[i]))
            response->api_keys[served++] = key_of(&rows[i]);
    response->api_keys_count = served;
    return true;
}

/* Clients below version 4 stumble over a feature whose lowest level is 0 (KAFKA-17492). */
static bool add_supported(struct api_request *request, struct api_versions_response *response)
{
    response->supported_features = ARENA_ARRAY(
        &request->arena, struct api_versions_response_supported_features, META_FEATURE_COUNT);
    if (response->supported_features == NULL)
        return false;
    int32_t count = 0;
    for (size_t i = 0; i < META_FEATURE_COUNT; i++) {
        const struct meta_feature_row *row = &meta_features[i];
        if (row->min_supported == 0 && request->header.api_version < VERSION_FEATURES_FROM_ZERO)
            continue;
        response->supported_features[count++] = (struct api_versions_response_supported_features){
            .name = slice_of_text(row->name),
            .min_version = row->min_supported,
            .max_version = row->max_supported,
        };
    }
    response->supported_features_count = count;
    return true;
}

static void add_level(struct api_versions_response *response, struct slice name, int64_t level)
{
    if (level == 0)
        return;
    response->finalized_features[response->finalized_features_count++] =
        (struct api_versions_response_finalized_features){
            .name = name,
            .max_version_level = (int16_t)level,
            .min_version_level = (int16_t)level,
        };
}

/* kraft.version is the quorum's, not one of the features that records set. */
static bool add_finalized(struct api_request *request, struct api_versions_response *response)
{
    const struct meta_image *image = request->here->image;
    response->finalized_features =
        ARENA_ARRAY(&request->arena, struct api_versions_response_finalized_features,
                    image->features.count + 1);
    if (response->finalized_features == NULL)
        return false;
    response->finalized_features_count = 0;
    struct pmap_iterator iterator;
    struct pmap_entry entry;
    pmap_iterate(image->features, slice_of(NULL, 0), &iterator);
    while (pmap_next(&iterator, &entry)) {
        const struct meta_number *level = entry.value;
        add_level(response, entry.key, level->number);
    }
    add_level(response, slice_of_text("kraft.version"), image->kraft_version);
    response->finalized_features_epoch = image->end_offset - 1; /* of the last record */
    return true;
}

void api_handle_api_versions(struct api_request *request)
{
    const struct api_versions_request *message = API_MESSAGE(request, api_versions_request);
    struct api_versions_response response = api_versions_response_default;
    response.error_code = (int16_t)check(request, message);
    if (response.error_code == ERR_NONE &&
        (!add_keys(request, &response) || !add_supported(request, &response) ||
         !add_finalized(request, &response))) {
        api_request_fail(request, "memory for ApiVersions is out");
        return;
    }
    api_request_answer(request, &response);
}

void api_answer_unsupported_version(struct api_request *request)
{
    struct api_versions_response_api_keys own = key_of(request->row);
    struct api_versions_response response = api_versions_response_default;
    response.error_code = ERR_UNSUPPORTED_VERSION;
    response.api_keys = &own;
    response.api_keys_count = 1;
    api_request_answer(request, &response);
}
