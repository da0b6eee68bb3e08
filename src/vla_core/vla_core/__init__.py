"""Types, geometry, control and protocols that every part of the suite shares."""
