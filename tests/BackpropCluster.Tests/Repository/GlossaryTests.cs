using System.Text.RegularExpressions;

namespace BackpropCluster.Tests.Repository;

/// <summary>One word for one thing: types carry the field's words, and not the first ones that this project
/// had.</summary>
public sealed partial class GlossaryTests
{
    // An actor was a part, a shard a slice, an exchange a relay, a manifest a head, …
    private static readonly HashSet<string> Old =
    [
        "PartId",
        "PartKind",
        "PartState",
        "SliceState",
        "SourceState",
        "LossState",
        "CoordinatorState",
        "SliceRange",
        "SlicePart",
        "SavePart",
        "SavedPart",
        "SavedParts",
        "DenseSlice",
        "SliceParameters",
        "SliceForward",
        "SliceBackward",
        "SliceUpdated",
        "SliceSpan",
        "SliceTable",
        "SliceGrain",
        "ISliceGrain",
        "PartShell",
        "PartShells",
        "PartOutbox",
        "StoreShell",
        "PartKeys",
        "IPartGrain",
        "RelayState",
        "RelayShell",
        "RelayShells",
        "RelayGrain",
        "IRelayGrain",
        "RelayOutbox",
        "RelayedRoutes",
        "Edge",
        "Board",
        "Slots",
        "SlotOutcome",
        "Lead",
        "Led",
        "MoveHead",
        "HeadMoved",
        "LostHeadException",
        "RunHead",
        "HeadSlots",
        "RollCall",
        "Roster",
        "Members",
        "ScoreBook",
        "Score",
        "ScoreBlock",
        "EvaluationScore",
        "ScoreSummary",
        "Outage",
        "LayerBegan",
        "LayerCame",
        "Strided",
        "Exact",
        "AddressedRandom",
        "StepArray",
        "UnpackedStream",
        "TrainingGround",
        "Departure",
        "RunKeeper",
        "SeededCarrier",
        "UnderWay",
        "Rules",
        "History",
        "Finding",
        "Letters",
        "LedRun",
        "Shelf",
        "Alone",
        "LongTime",
    ];

    [Theory, InlineData("src"), InlineData("tests")]
    public void NoTypeHasAnOldName(string folder)
    {
        var types = RepositoryTests
            .Sources(folder)
            .SelectMany(source =>
                Declaration().Matches(source.Text).Select(type => (source.Path, Name: type.Groups["name"].Value))
            )
            .ToList();
        Assert.True(types.Count > 100, $"{types.Count} types were found in {folder}");
        Assert.DoesNotContain(types, type => Old.Contains(type.Name));
    }

    [GeneratedRegex(
        @"^\s*(?:\[[^\n]*\]\s*)?(?:[a-z]+ )*(?:class|record|struct|interface|enum) (?<name>[A-Z]\w*)",
        RegexOptions.Multiline
    )]
    private static partial Regex Declaration();
}
