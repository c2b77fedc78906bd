"""PopSGD: Decentralized Stochastic Gradient Descent in the Population Model."""
