/* The handler of every API in tbl/apis.h. Each takes a request that was decoded for its version and
 * ends, now or in a later turn, in api_request_answer, api_request_answer_nothing or
 * api_request_fail. On the request's shard. */
#ifndef API_HANDLERS_H
#define API_HANDLERS_H

#include "api/request.h"

#define HANDLERS_DECLARE_(key, NAME, handler, ...) void api_handle_##handler(struct api_request *);
APIS(HANDLERS_DECLARE_)
#undef HANDLERS_DECLARE_

/* ApiVersions in a version nobody knows: error 35 in the form of version 0, naming only ApiVersions
 * itself, so that the client can ask again. The header's version is set to 0 already. */
void api_answer_unsupported_version(struct api_request *);

#endif
