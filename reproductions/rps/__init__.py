"""Yu et al., "Distributed Learning over Unreliable Networks" (ICML 2019): model averaging under message drops."""
