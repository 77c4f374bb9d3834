#include "adapters/config/check.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace curfew::config {

const Item* Block::find(std::string_view key) const {
    CURFEW_ASSERT(section_->find(key) != nullptr, "only keys of the table of keys are asked for");
    const auto found = items_.find(key);
    return found == items_.end() ? nullptr : &found->second;
}

bool Block::given(std::string_view key) const {
    const Item* item = find(key);
    return (item != nullptr && item->given) || at_fault_.contains(key);
}

bool Block::sound(std::string_view key) const {
    const Item* item = find(key);
    return item != nullptr && item->given;
}

Place Block::place_of(std::string_view key) const {
    const Item* item = find(key);
    return item != nullptr && item->given ? item->place : place_;
}

Place Block::place_of(std::string_view key, std::size_t index) const {
    const Item* item = find(key);
    return item != nullptr && index < item->elements.size() ? item->elements[index] : place_of(key);
}

const std::vector<Block>& Block::blocks(std::string_view name) const {
    static const std::vector<Block> none;
    const auto found = children_.find(name);
    return found == children_.end() ? none : found->second;
}

namespace {

constexpr std::string_view secrets[] = {
    "key",           "api_key",         "apikey",         "api-key",     "password",     "passwd",
    "pass",          "secret",          "token",          "api_token",   "access_token", "auth_token",
    "smtp_password", "signing_secret",  "webhook_secret", "private_key", "bearer",       "credentials",
    "routing_key",   "integration_key", "old_secret",     "webhook_url", "hook_url"};

bool looks_secret(std::string_view name) {
    std::string lower(name);
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return std::ranges::find(secrets, lower) != std::end(secrets);
}

/// The keys of a section that name a file with a secret; of the right kind only, where it is known. `name`'s own
/// file alone, where there is one.
std::vector<std::string_view> secret_keys(const Section& section, std::string_view kind,
                                          const std::string& name) {
    std::vector<std::string_view> names;
    for (const Key& key : section.keys) {
        if (key.type == Type::secret && (kind.empty() || key.fits(kind))) {
            if (key.name == name + "_file") {
                return {key.name};
            }
            names.push_back(key.name);
        }
    }
    return names;
}

std::vector<std::string_view> names_within(const Section& section) {
    std::vector<std::string_view> names;
    for (const Key& key : section.keys) {
        names.push_back(key.name);
    }
    for (const Section* child : children_of(section)) {
        names.push_back(child->name());
    }
    return names;
}

/// "[daemon] or [[rule]]": where a misplaced key would be right.
std::string homes_of(std::string_view name) {
    std::vector<std::string> homes;
    for (const Section& section : sections()) {
        if (section.find(name) != nullptr) {
            homes.push_back(section.bracketed());
        }
    }
    return fmt::format("{}", fmt::join(homes, " or "));
}

std::string_view word_of(const Node& table, std::string_view name) {
    const auto entry = std::ranges::find(table.entries, name, &Entry::name);
    return entry != table.entries.end() ? std::string_view(entry->node.string) : std::string_view{};
}

}  // namespace

class Checker {
public:
    Checker(const std::string& config_dir, Faults& faults) : config_dir_(config_dir), faults_(faults) {}

    void read(const Section& section, const Node& table, Block& into) {
        for (const Entry& entry : table.entries) {
            const Key* key = section.find(entry.name);
            if (key != nullptr) {
                read_key(*key, entry, into);
            } else if (const Section* child = child_named(section, entry.name)) {
                read_child(*child, entry, into);
            } else {
                unknown(section, entry, word_of(table, "kind"));
            }
        }
    }

    /// Requirements and defaults, once every document was read.
    void finish(Block& block) {
        const Section& section = *block.section_;
        const std::string_view kind = kind_of(block);
        for (const Key& key : section.keys) {
            finish_key(key, kind, block);
        }
        for (const Section* child : children_of(section)) {
            auto& blocks = block.children_[child->name()];
            if (!child->many && blocks.empty()) {
                blocks.emplace_back(*child, block.place_);
            }
            too_many(*child, blocks);
            std::ranges::for_each(blocks, [&](Block& each) { finish(each); });
            names_once(*child, blocks);
        }
    }

private:
    static const Section* child_named(const Section& section, std::string_view name) {
        const auto children = children_of(section);
        const auto found = std::ranges::find_if(children,
                                                [&](const Section* child) { return child->name() == name; });
        return found == children.end() ? nullptr : *found;
    }

    void read_key(const Key& key, const Entry& entry, Block& into) {
        if (const auto before = into.items_.find(key.name); before != into.items_.end()) {
            faults_.add(entry.place, set_twice(key.name, before->second.place));
            return;
        }
        if (const auto before = into.at_fault_.find(key.name); before != into.at_fault_.end()) {
            faults_.add(entry.place, set_twice(key.name, before->second));
            return;
        }
        if (auto value = read_value(key, entry.node, config_dir_, faults_)) {
            Item item{std::move(*value), entry.node.place, true};
            std::ranges::transform(entry.node.elements, std::back_inserter(item.elements), &Node::place);
            into.items_.insert_or_assign(key.name, std::move(item));
        } else {
            into.at_fault_.insert_or_assign(key.name, entry.node.place);
        }
    }

    std::string set_twice(std::string_view name, Place first) const {
        return fmt::format("`{}` is set twice, here and at {}", name, faults_.at(first));
    }

    void read_child(const Section& child, const Entry& entry, Block& into) {
        auto& blocks = into.children_[child.name()];
        if (!child.many) {
            read_single(child, entry, blocks);
            return;
        }
        if (entry.node.kind != Kind::array) {
            // The inside is read all the same, so that its faults show in the same run.
            faults_.add(entry.place,
                        fmt::format("there may be several of these, so write {}", child.bracketed()));
            if (entry.node.kind == Kind::table) {
                read(child, entry.node, blocks.emplace_back(child, entry.node.place));
            }
            return;
        }
        for (const Node& element : entry.node.elements) {
            if (element.kind != Kind::table) {
                faults_.add(element.place, fmt::format("{} holds tables; this is {}", child.bracketed(),
                                                       with_article(element.kind)));
                continue;
            }
            read(child, element, blocks.emplace_back(child, element.place));
        }
    }

    void read_single(const Section& child, const Entry& entry, std::vector<Block>& blocks) {
        const Node* table = &entry.node;
        if (table->kind == Kind::array && !table->elements.empty() &&
            table->elements.front().kind == Kind::table) {
            faults_.add(entry.place,
                        fmt::format("there is only one of these, so write {}", child.bracketed()));
            table = &table->elements.front();
        } else if (table->kind != Kind::table) {
            faults_.add(table->place, fmt::format("{} is a table; this is {}", child.bracketed(),
                                                  with_article(table->kind)));
            return;
        }
        if (blocks.empty()) {
            blocks.emplace_back(child, table->place);
        }
        read(child, *table, blocks.front());
    }

    void unknown(const Section& section, const Entry& entry, std::string_view kind) {
        if (looks_secret(entry.name)) {
            const auto names = secret_keys(section, kind, entry.name);
            const std::string use = names.empty() ? "key_file" : fmt::format("{}", fmt::join(names, " or "));
            faults_.add(entry.place,
                        fmt::format("`{}`: secrets come from files only: use {}", entry.name, use));
            return;
        }
        const bool is_table = section.path.empty() &&
                              (entry.node.kind == Kind::table || entry.node.kind == Kind::array);
        std::string text = fmt::format("unknown {} `{}`", is_table ? "table" : "key", shown(entry.name));
        if (!section.path.empty()) {
            text += " in " + section.bracketed();
        }
        const std::string meant = nearest(entry.name, names_within(section));
        if (const std::string homes = homes_of(entry.name); meant.empty() && !homes.empty()) {
            text += "; it belongs in " + homes;
        }
        faults_.add(entry.place, std::move(text), meant);
    }

    static std::string_view kind_of(const Block& block) {
        const auto item = block.items_.find("kind");
        return item == block.items_.end() ? std::string_view{} : std::get<std::string>(item->second.value);
    }

    void finish_key(const Key& key, std::string_view kind, Block& block) {
        const bool has_kinds = block.section_->find("kind") != nullptr;
        const bool other_kind = has_kinds && !kind.empty() && !key.fits(kind);
        const bool kind_unclear = !key.only.empty() && kind.empty();
        const auto item = block.items_.find(key.name);
        const bool faulty = block.at_fault_.contains(key.name);
        if (other_kind && (item != block.items_.end() || faulty)) {
            faults_.add(faulty ? block.at_fault_.at(key.name) : item->second.place,
                        fmt::format("`{}` belongs to kind {}, and this is a {}{}", key.name,
                                    in_words(split(key.only, '|')), kind, instead_of(key, kind, block)));
        } else if (item == block.items_.end() && key.required && !faulty && !other_kind && !kind_unclear) {
            faults_.add(block.place_, fmt::format("`{}` is missing in {}: {}", key.name,
                                                  block.section_->bracketed(), key.help));
        }
        if (item == block.items_.end() && !key.standard.empty()) {
            block.items_.emplace(key.name, Item{standard_value(key), block.place_, false});
        }
    }

    /// What a block of this kind has in the place of a key of other kinds.
    static std::string instead_of(const Key& key, std::string_view kind, const Block& block) {
        const Key* file = block.section_->find(std::string(key.name) + "_file");
        return file != nullptr && file->fits(kind) ? fmt::format(": use `{}`", file->name) : "";
    }

    void too_many(const Section& section, const std::vector<Block>& blocks) {
        if (blocks.size() > section.count_max) {
            faults_.add(blocks[section.count_max].place_,
                        fmt::format("there are more than {} {}", section.count_max, section.bracketed()));
        }
    }

    void names_once(const Section& section, const std::vector<Block>& blocks) {
        if (!section.many || section.find("name") == nullptr) {
            return;
        }
        std::map<std::string, Place> seen;
        for (const Block& block : blocks) {
            const std::string name = block.text("name");
            const auto [first, is_new] = seen.emplace(name, block.place_of("name"));
            if (!is_new && !name.empty()) {
                faults_.add(block.place_of("name"),
                            fmt::format("there is another {} named `{}` at {}", section.bracketed(), name,
                                        faults_.at(first->second)));
            }
        }
    }

    const std::string& config_dir_;
    Faults& faults_;
};

Block check(const std::vector<Node>& documents, const std::string& config_dir, bool complete,
            Faults& faults) {
    const Section& top = *find_section("");
    Block root(top, {.file = 0, .line = 1, .column = 1});
    Checker checker(config_dir, faults);
    for (const Node& document : documents) {
        checker.read(top, document, root);
    }
    if (complete) {
        checker.finish(root);
    }
    return root;
}

}  // namespace curfew::config
