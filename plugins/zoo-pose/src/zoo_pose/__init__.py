"""Human pose for the zoo: joints in images, and from there in space."""
