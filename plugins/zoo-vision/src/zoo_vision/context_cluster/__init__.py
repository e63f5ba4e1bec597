"""Context clusters: an image as a set of points that gather around centres, without attention.

Source: "Image as Set of Points" (ICLR 2023), arXiv 2303.01494.

Every pixel is a point with a colour and a place, (r, g, b, row / (H - 1) - 1/2, column / (W - 1) - 1/2). A cluster
operator maps points to similarity features f and value features v, for each head; the map is cut into regions, and in
each region a few centres c_m are the averages of f over a grid of patches, with value centres w_m the averages of v:

    S[m, n] = sigmoid(beta + alpha cos(c_m, f_n)),  kept for the best m of every point n and 0 for the others
    g_m = (sum_n S[m, n] v_n + w_m) / (sum_n S[m, n] + 1)                       a centre gathers its points
    o_n = sum_m S[m, n] g_m                                                      and hands back what it gathered

alpha and beta are two learned numbers. Assignment is hard: each point belongs to one centre per head and region, so the
operator is also a segmentation that nobody supervised. Its cost is the number of points times that of centres.

Blocks are x + ls1 * cluster(norm(x)), x + ls2 * MLP(norm(x)) with a group norm of one group and layer scale; between
four stages a convolution of stride 2 merges points.

Read in this order: ``config``, ``cluster`` (the operator), ``network``, ``claims``, ``conversion`` (published names,
recordings), ``training`` (handwritten digits), ``pictures``.
"""
