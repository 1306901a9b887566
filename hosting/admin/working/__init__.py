"""Operations in the admin, one by one and for whole servers, and the work that comes back."""
