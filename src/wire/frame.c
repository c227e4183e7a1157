/* Request and response headers. They are so small and so hot that they are read by hand here, from
 * the facts of spec/header; the test holds them against the tables. */
#include "wire/frame.h"

#include "base/bytes.h"
#include "wire/messages.h"

#define API_VERSIONS_KEY 18
#define HEADER_FIXED_SIZE 8 /* api key, version, correlation id */
#define PREFIX_SIZE 4

static bool is_flexible(int16_t api_key, int16_t api_version)
{
    const struct wire_message *request = wire_request(api_key);
    return request != NULL && wire_versions_have(request->flexible, api_version);
}

static bool response_is_flexible(int16_t api_key, int16_t api_version)
{
    return api_key != API_VERSIONS_KEY && is_flexible(api_key, api_version);
}

/* Passes over a tagged section whose fields nobody knows. NULL on success. */
static const char *skip_tags(struct slice *rest)
{
    uint64_t count;
    size_t size = uvarint_load(rest->data, rest->size, 5, &count);
    if (size == 0 || count > WIRE_UNKNOWN_TAGS_MAX)
        return "the header's tagged fields are malformed";
    *rest = slice_from(*rest, size);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t tag;
        uint64_t length;
        size_t tag_size = uvarint_load(rest->data, rest->size, 5, &tag);
        *rest = slice_from(*rest, tag_size);
        size_t length_size = uvarint_load(rest->data, rest->size, 5, &length);
        *rest = slice_from(*rest, length_size);
        if (tag_size == 0 || length_size == 0 || length > rest->size)
            return "the header's tagged fields are malformed";
        *rest = slice_from(*rest, length);
    }
    return NULL;
}

const char *frame_header_parse(struct slice frame, struct frame_header *ret_header,
                               struct slice *ret_body)
{
    if (frame.size < HEADER_FIXED_SIZE + 2)
        return "the request is too short for a header";
    struct frame_header header = {
        .api_key = load_i16(frame.data),
        .api_version = load_i16(frame.data + 2),
        .correlation_id = load_i32(frame.data + 4),
    };
    int16_t client_id_size = load_i16(frame.data + HEADER_FIXED_SIZE);
    struct slice rest = slice_from(frame, HEADER_FIXED_SIZE + 2);
    if (client_id_size > 0 && (size_t)client_id_size > rest.size)
        return "the client id's length is wrong";
    if (client_id_size >= 0) {
        header.client_id = slice_first(rest, (size_t)client_id_size);
        rest = slice_from(rest, (size_t)client_id_size);
    }
    const char *fault = NULL;
    if (is_flexible(header.api_key, header.api_version))
        fault = skip_tags(&rest);
    if (fault != NULL)
        return fault;
    *ret_header = header;
    *ret_body = rest;
    return NULL;
}

static void end(struct chain *chain)
{
    int64_t size = chain_size(chain) - PREFIX_SIZE;
    if (size > INT32_MAX)
        chain->failed = true;
    if (!chain->failed)
        store_i32(chain->data, (int32_t)size);
}

void frame_response_begin(struct chain *chain, const struct frame_header *header)
{
    bool flexible = response_is_flexible(header->api_key, header->api_version);
    uint8_t *at = chain_extend(chain, PREFIX_SIZE + 4 + (flexible ? 1 : 0));
    if (at == NULL)
        return;
    store_i32(at, 0);
    store_i32(at + PREFIX_SIZE, header->correlation_id);
    if (flexible)
        at[PREFIX_SIZE + 4] = 0;
}

void frame_response_end(struct chain *chain)
{
    end(chain);
}

void frame_request_begin(struct chain *chain, const struct frame_header *header)
{
    bool flexible = is_flexible(header->api_key, header->api_version);
    size_t size = PREFIX_SIZE + HEADER_FIXED_SIZE + 2 + header->client_id.size + (flexible ? 1 : 0);
    uint8_t *at = chain_extend(chain, size);
    if (at == NULL)
        return;
    bool is_null = slice_is_null(header->client_id);
    store_i32(at, 0);
    store_i16(at + PREFIX_SIZE, header->api_key);
    store_i16(at + PREFIX_SIZE + 2, header->api_version);
    store_i32(at + PREFIX_SIZE + 4, header->correlation_id);
    store_i16(at + PREFIX_SIZE + HEADER_FIXED_SIZE, is_null ? -1 : (int16_t)header->client_id.size);
    if (header->client_id.size > 0)
        memcpy(at + PREFIX_SIZE + HEADER_FIXED_SIZE + 2, header->client_id.data,
               header->client_id.size);
    if (flexible)
        at[size - 1] = 0;
}

void frame_request_end(struct chain *chain)
{
    end(chain);
}

const char *frame_response_parse(struct slice frame, const struct frame_header *sent,
                                 int32_t *ret_correlation_id, struct slice *ret_body)
{
    if (frame.size < 4)
        return "the response is too short for a header";
    struct slice rest = slice_from(frame, 4);
    if (response_is_flexible(sent->api_key, sent->api_version)) {
        const char *fault = skip_tags(&rest);
        if (fault != NULL)
            return fault;
    }
    *ret_correlation_id = load_i32(frame.data);
    *ret_body = rest;
    return NULL;
}
