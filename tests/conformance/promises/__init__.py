"""All that the contract promises, each a function that asserts it of a server."""

from tests.conformance.promises import conversions, many_images, one_image, refusals, the_server

PROMISES = (
    *one_image.PROMISES,
    *conversions.PROMISES,
    *refusals.PROMISES,
    *many_images.PROMISES,
    *the_server.PROMISES,
)
