"""All that the contract promises, each a function that asserts it of a server."""

from tests.conformance.promises import (
    connections,
    conversions,
    many_images,
    one_image,
    other_ways,
    refusals,
    the_server,
)

PROMISES = (
    *one_image.PROMISES,
    *conversions.PROMISES,
    *refusals.PROMISES,
    *many_images.PROMISES,
    *other_ways.PROMISES,
    *connections.PROMISES,
    *the_server.PROMISES,
)
