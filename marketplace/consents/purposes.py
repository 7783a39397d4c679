"""The purposes that a consent can allow. Pure.

Codes are terms of the W3C Data Privacy Vocabulary (DPV 2), https://w3id.org/dpv, so that a receipt means the same
to others. It has no purpose for the training of models yet, so that one is a term of our own.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Purpose:
    code: str
    label: str
    explanation: str


PURPOSES: tuple[Purpose, ...] = (
    Purpose(
        "AcademicResearch", "Academic research", "Universities and institutes study it and publish what they find."
    ),
    Purpose("NonCommercialResearch", "Other non-profit research", "Research that earns nothing, outside universities."),
    Purpose("CommercialResearch", "Commercial research", "Companies study it to learn something for their business."),
    Purpose("ResearchAndDevelopment", "Building products", "It goes into new products and services, and their tests."),
    Purpose("ServiceProvision", "Running a service", "A service that people use works with it, such as a weather app."),
    Purpose("ServiceOptimisation", "Improving a service", "An existing service is made better or cheaper with it."),
    Purpose("TrainAIModels", "Training models", "Forecasts and other machine-learning models are trained on it."),
    Purpose("PublicBenefit", "Public benefit", "Towns, grid operators or health authorities plan with it."),
    Purpose("Verification", "Checking claims", "Insurers or auditors compare what was claimed with what was measured."),
    Purpose("Marketing", "Marketing", "It helps to decide what is advertised, and to whom."),
)
OWN_CODES = frozenset({"TrainAIModels"})
PURPOSE_BY_CODE = {purpose.code: purpose for purpose in PURPOSES}
