"""The dashboard's addresses."""
urlpatterns = []
