from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.api.serializers.people import PersonOut
from marketplace.api.views.parts import person_of


class MeView(APIView):
    @extend_schema(summary="Who am I", responses=PersonOut)
    def get(self, request: Request) -> Response:
        return Response(PersonOut(person_of(request)).data)
