/* What receive.c, transmit.c and connection.c share of a connection. */
#ifndef SERVER_CONNECTION_INT_H
#define SERVER_CONNECTION_INT_H

#include "server/connection.h"

/* Reads once from the socket and starts the requests that are complete; asks for another look where
 * more may follow. May end the connection: false then. */
bool connection_receive(struct connection *) ON(on_shard);
/* Bytes of the unfinished frame at the end of what was received, its prefix included; 0 when the
 * prefix is not complete or there is no such frame. */
size_t connection_frame_size(const struct connection *);
/* Forgets the receive buffer and what it counted. */
void connection_receive_end(struct connection *);

/* Memory was given back: those who wait for it look again. */
void connection_wake_starved(struct server_shard *) ON(on_shard);

/* Sends answered requests, oldest first, as far as the socket takes them. May end the connection:
 * false then. */
bool connection_transmit(struct connection *) ON(on_shard);

/* Starts the timer again when its deadline may have come nearer. */
void connection_watch_time(struct connection *) ON(on_shard);

#endif
