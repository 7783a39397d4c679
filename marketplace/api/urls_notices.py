from django.urls import path

from marketplace.api.views import notices

urlpatterns = [
    path("notices", notices.NoticeListView.as_view()),
    path("notices/reading", notices.InboxReadingView.as_view()),
    path("notices/<uuid:public_id>/reading", notices.NoticeReadingView.as_view()),
    path("webhooks", notices.WebhookListView.as_view()),
    path("webhooks/<uuid:public_id>", notices.WebhookView.as_view()),
    path("webhooks/<uuid:public_id>/secret", notices.WebhookSecretView.as_view()),
    path("webhooks/<uuid:public_id>/enabling", notices.WebhookEnablingView.as_view()),
    path("webhooks/<uuid:public_id>/test", notices.WebhookTestView.as_view()),
    path("webhooks/<uuid:public_id>/deliveries", notices.WebhookDeliveryListView.as_view()),
    path("webhooks/<uuid:public_id>/deliveries/<uuid:delivery_id>/replay", notices.WebhookReplayView.as_view()),
]
