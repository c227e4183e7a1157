/* The persistent map is an AVL tree whose nodes never change once they are linked: an update
 * copies the nodes on the way to the key (and those that a rotation turns) and shares the rest.
 * A node counts the maps and parent nodes that point to it. Building is sticky: when memory runs
 * out, what was built is given back, the rest of the way builds nothing, and the old map is as it
 * was. No recursion: the way down is an array of bounded depth. The owner's thread only, but for
 * reading. */
#include "base/pmap.h"

#include "base/always.h"

#include <stdlib.h>

struct pmap_node {
    struct pmap_node *left; /* smaller keys */
    struct pmap_node *right;
    void *value;
    size_t key_size;
    uint32_t references;
    int32_t height; /* of a leaf: 1 */
    uint8_t key[];
};

/* What an update carries along: values' functions and the sticky failure. */
struct builder {
    const struct pmap_type *type;
    bool failed;
};

/* The way from the root to a key. */
struct path {
    struct pmap_node *nodes[PMAP_DEPTH_MAX];
    bool went_right[PMAP_DEPTH_MAX];
    int depth;
};

static struct slice key_of(const struct pmap_node *node)
{
    return slice_of(node->key, node->key_size);
}

static int32_t height_of(const struct pmap_node *node)
{
    return node == NULL ? 0 : node->height;
}

static struct pmap_node *node_ref(struct pmap_node *node)
{
    if (node != NULL) {
        ALWAYS(node->references > 0 && node->references < UINT32_MAX, "a map node's count is off");
        node->references++;
    }
    return node;
}

/* Gives back one reference, and with the last one those that the node held, without recursion:
 * left chains are followed, right children wait on a stack no deeper than the tree. */
static void node_unref(const struct pmap_type *type, struct pmap_node *node)
{
    struct pmap_node *waiting[PMAP_DEPTH_MAX];
    int count = 0;
    while (node != NULL || count > 0) {
        if (node == NULL)
            node = waiting[--count];
        ALWAYS(node->references > 0, "a map node was released too often");
        if (--node->references > 0) {
            node = NULL;
            continue;
        }
        struct pmap_node *left = node->left;
        if (node->right != NULL) {
            ALWAYS(count < PMAP_DEPTH_MAX, "a map is deeper than any balanced tree");
            waiting[count++] = node->right;
        }
        type->unref(node->value);
        free(node);
        node = left;
    }
}

/* Takes over the references of left, right and value. NULL: failed, and they are given back. */
static struct pmap_node *node_new(struct builder *builder, struct slice key, void *value,
                                  struct pmap_node *left, struct pmap_node *right)
{
    struct pmap_node *node = NULL;
    if (!builder->failed)
        node = (struct pmap_node *)malloc(sizeof *node + key.size);
    if (node == NULL) {
        builder->failed = true;
        node_unref(builder->type, left);
        node_unref(builder->type, right);
        builder->type->unref(value);
        return NULL;
    }
    *node = (struct pmap_node){
        .left = left,
        .right = right,
        .value = value,
        .key_size = key.size,
        .references = 1,
        .height = 1 + MAX_OF(height_of(left), height_of(right)),
    };
    if (key.size > 0)
        memcpy(node->key, key.data, key.size);
    return node;
}

/* A node with the entry of `entry` over other children, whose references it takes over. */
static struct pmap_node *node_over(struct builder *builder, const struct pmap_node *entry,
                                   struct pmap_node *left, struct pmap_node *right)
{
    builder->type->ref(entry->value);
    return node_new(builder, key_of(entry), entry->value, left, right);
}

/* left is two higher than right. */
static struct pmap_node *rotate_right(struct builder *builder, const struct pmap_node *entry,
                                      struct pmap_node *left, struct pmap_node *right)
{
    struct pmap_node *middle = left->right;
    struct pmap_node *made;
    if (height_of(left->left) >= height_of(middle)) {
        struct pmap_node *lower = node_over(builder, entry, node_ref(middle), right);
        made = node_over(builder, left, node_ref(left->left), lower);
    } else {
        struct pmap_node *lower = node_over(builder, entry, node_ref(middle->right), right);
        struct pmap_node *upper =
            node_over(builder, left, node_ref(left->left), node_ref(middle->left));
        made = node_over(builder, middle, upper, lower);
    }
    node_unref(builder->type, left);
    return made;
}

/* right is two higher than left. */
static struct pmap_node *rotate_left(struct builder *builder, const struct pmap_node *entry,
                                     struct pmap_node *left, struct pmap_node *right)
{
    struct pmap_node *middle = right->left;
    struct pmap_node *made;
    if (height_of(right->right) >= height_of(middle)) {
        struct pmap_node *lower = node_over(builder, entry, left, node_ref(middle));
        made = node_over(builder, right, lower, node_ref(right->right));
    } else {
        struct pmap_node *lower = node_over(builder, entry, left, node_ref(middle->left));
        struct pmap_node *upper =
            node_over(builder, right, node_ref(middle->right), node_ref(right->right));
        made = node_over(builder, middle, lower, upper);
    }
    node_unref(builder->type, right);
    return made;
}

/* A balanced tree of left < entry < right, which differ by at most two in height; takes over the
 * references of both. */
static struct pmap_node *node_balanced(struct builder *builder, const struct pmap_node *entry,
                                       struct pmap_node *left, struct pmap_node *right)
{
    int32_t lean = height_of(left) - height_of(right);
    if (builder->failed || (lean >= -1 && lean <= 1))
        return node_over(builder, entry, left, right);
    ALWAYS(lean >= -2 && lean <= 2, "a map's subtrees differ by %d", (int)lean);
    return lean > 0 ? rotate_right(builder, entry, left, right)
                    : rotate_left(builder, entry, left, right);
}

static void path_push(struct path *path, struct pmap_node *node, bool went_right)
{
    ALWAYS(path->depth < PMAP_DEPTH_MAX, "a map is deeper than any balanced tree");
    path->nodes[path->depth] = node;
    path->went_right[path->depth] = went_right;
    path->depth++;
}

/* Fills the path with the nodes above the key; returns the node that holds it, or NULL. */
static struct pmap_node *path_to(struct path *path, struct pmap_node *root, struct slice key)
{
    struct pmap_node *node = root;
    path->depth = 0;
    while (node != NULL) {
        int order = slice_compare(key, key_of(node));
        if (order == 0)
            return node;
        path_push(path, node, order > 0);
        node = order > 0 ? node->right : node->left;
    }
    return NULL;
}

/* Builds the nodes of the path above depth `top` again, over `below` in the place the path led to;
 * takes over its reference. */
static struct pmap_node *path_rebuild(struct builder *builder, const struct path *path, int top,
                                      struct pmap_node *below)
{
    for (int i = path->depth - 1; i >= top; i--) {
        const struct pmap_node *entry = path->nodes[i];
        if (path->went_right[i])
            below = node_balanced(builder, entry, node_ref(entry->left), below);
        else
            below = node_balanced(builder, entry, below, node_ref(entry->right));
    }
    return below;
}

struct pmap pmap_ref(struct pmap map)
{
    (void)node_ref(map.root);
    return map;
}

void pmap_unref(struct pmap *map)
{
    node_unref(map->type, map->root);
    map->root = NULL;
    map->count = 0;
}

void *pmap_find(struct pmap map, struct slice key)
{
    const struct pmap_node *node = map.root;
    while (node != NULL) {
        int order = slice_compare(key, key_of(node));
        if (order == 0)
            return node->value;
        node = order > 0 ? node->right : node->left;
    }
    return NULL;
}

/* The new root stands for the old one, or the old one stays. */
static bool replace_root(struct pmap *map, const struct builder *builder, struct pmap_node *root,
                         size_t count)
{
    if (builder->failed) {
        ALWAYS(root == NULL, "a failed update of a map built something");
        return false;
    }
    struct pmap_node *old = map->root;
    map->root = root;
    map->count = count;
    node_unref(map->type, old);
    return true;
}

bool pmap_put(struct pmap *map, struct slice key, void *value)
{
    struct builder builder = {.type = map->type};
    struct path path;
    struct pmap_node *found = path_to(&path, map->root, key);
    struct pmap_node *left = found == NULL ? NULL : node_ref(found->left);
    struct pmap_node *right = found == NULL ? NULL : node_ref(found->right);
    struct pmap_node *root = node_new(&builder, key, value, left, right);
    root = path_rebuild(&builder, &path, 0, root);
    return replace_root(map, &builder, root, map->count + (found == NULL ? 1 : 0));
}

/* The tree of `found` without its entry, both of whose children exist: the smallest entry of the
 * right one takes its place. */
static struct pmap_node *without_inner(struct builder *builder, const struct pmap_node *found)
{
    struct path path = {.depth = 0};
    struct pmap_node *smallest = found->right;
    while (smallest->left != NULL) {
        path_push(&path, smallest, false);
        smallest = smallest->left;
    }
    struct pmap_node *right = path_rebuild(builder, &path, 0, node_ref(smallest->right));
    return node_balanced(builder, smallest, node_ref(found->left), right);
}

bool pmap_remove(struct pmap *map, struct slice key)
{
    struct builder builder = {.type = map->type};
    struct path path;
    struct pmap_node *found = path_to(&path, map->root, key);
    if (found == NULL)
        return true;
    struct pmap_node *root;
    if (found->left != NULL && found->right != NULL)
        root = without_inner(&builder, found);
    else
        root = node_ref(found->left != NULL ? found->left : found->right);
    root = path_rebuild(&builder, &path, 0, root);
    return replace_root(map, &builder, root, map->count - 1);
}

static void iterator_push_left(struct pmap_iterator *iterator, const struct pmap_node *node)
{
    while (node != NULL) {
        ALWAYS(iterator->depth < PMAP_DEPTH_MAX, "a map is deeper than any balanced tree");
        iterator->stack[iterator->depth++] = node;
        node = node->left;
    }
}

void pmap_iterate(struct pmap map, struct slice from, struct pmap_iterator *ret_iterator)
{
    const struct pmap_node *node = map.root;
    ret_iterator->depth = 0;
    while (node != NULL) {
        bool before = slice_compare(key_of(node), from) < 0;
        if (!before) {
            ALWAYS(ret_iterator->depth < PMAP_DEPTH_MAX, "a map is too deep");
            ret_iterator->stack[ret_iterator->depth++] = node;
        }
        node = before ? node->right : node->left;
    }
}

bool pmap_next(struct pmap_iterator *iterator, struct pmap_entry *ret_entry)
{
    if (iterator->depth == 0)
        return false;
    const struct pmap_node *node = iterator->stack[--iterator->depth];
    *ret_entry = (struct pmap_entry){.key = key_of(node), .value = node->value};
    iterator_push_left(iterator, node->right);
    return true;
}
